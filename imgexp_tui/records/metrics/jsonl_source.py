"""Reads the metrics that the shipped trainer writes: `metrics.jsonl`, one record a line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.records.jsonl import LineTail, parse_line
from imgexp_tui.records.metrics.source import NON_METRIC_KEYS, Record, SourceStat
from imgexp_tui.records.rundir import RunDir

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.rows import MetricRows

_PIECE_COUNT, _PIECE_BYTES, _TAIL_BYTES = 48, 8 << 10, 256 << 10
"""Pieces of a long file that are sampled, their length, and the length of the end that is read whole."""
_HASH_COUNT, _HASH_BYTES, _HASH_EDGE_BYTES = 32, 64, 4096
"""Places that a fingerprint samples, bytes at each of them, and bytes at both ends."""


class JsonlSource:
    """The metrics of one run in `metrics.jsonl`. Positions are byte offsets at the beginning of a line."""

    def __init__(self, run: RunDir) -> None:
        self._path = run.metrics
        self._exit_file = run.exit
        self._tail = LineTail(run.metrics)
        self._keys: dict[str, None] = {}

    @staticmethod
    def files(run: RunDir) -> Sequence[Path]:
        """`metrics.jsonl`."""
        return (run.metrics,)

    @property
    def position(self) -> int:
        """The byte offset after the lines that were read."""
        return self._tail.offset

    @property
    def replaced(self) -> bool:
        """Whether the file was replaced or cut short, so that the latest records begin a new one."""
        return self._tail.restarted

    @property
    def metric_names(self) -> Sequence[str]:
        """The names in the records that were read, in the order in which they first came."""
        return tuple(key for key in self._keys if key not in NON_METRIC_KEYS)

    @property
    def ended(self) -> bool:
        """Whether the run's end is written down."""
        return self._exit_file.exists()

    def stat(self) -> SourceStat | None:
        """The file's size and inode; None without a file."""
        try:
            file_stat = self._path.stat()
        except OSError:
            return None
        return SourceStat(file_stat.st_size, file_stat.st_ino)

    def read_new(self) -> list[Record]:
        """The complete lines that were not read yet, at most about 4 MB of them; [] without."""
        records = self._tail.poll()
        if self._tail.restarted:
            self._keys.clear()
        for record in records:
            if not record.keys() <= self._keys.keys():
                self._keys |= dict.fromkeys(record)
        return records

    def seek(self, position: int) -> None:
        """Read on from the beginning of a line."""
        self._tail.start_at(position)

    def sample(self, size: int) -> list[Record]:
        """Records from all over the first `size` bytes, in the time of one frame.

        Raises:
            OSError: the file cannot be read.
        """
        lines = (line for piece in sample_lines(self._path, size) for line in piece.splitlines())
        return [record for line in lines if (record := parse_line(line)) is not None]

    def fingerprint(self, position: int) -> str:
        """A hash of both ends and 32 places between of what stands before `position`.

        Raises:
            OSError: the file cannot be read.
        """
        digest = hashlib.blake2b(digest_size=16)
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            digest.update(os.pread(fd, min(_HASH_EDGE_BYTES, position), 0))
            for i in range(_HASH_COUNT):
                at = position * i // _HASH_COUNT
                digest.update(os.pread(fd, min(_HASH_BYTES, position - at), at))
            digest.update(os.pread(fd, min(_HASH_EDGE_BYTES, position), max(0, position - _HASH_EDGE_BYTES)))
        finally:
            os.close(fd)
        return digest.hexdigest()

    def read_rows(self, start: int, stop: int) -> tuple[MetricRows, int]:
        """The complete lines between two offsets as columns, and the offset after the last of them. Needs NumPy.

        Raises:
            OSError: the file cannot be read.
        """
        from imgexp_tui.records.metrics.jsonl_columns import read_rows

        return read_rows(self._path, start, stop)

    def next_position(self, offset: int) -> int:
        """The byte offset of the first line that stands wholly after an offset.

        Raises:
            OSError: the file cannot be read.
        """
        with self._path.open("rb") as file:
            file.seek(offset)
            file.readline()
            return file.tell()


def sample_lines(metrics_file: Path, size: int) -> list[bytes]:
    """Pieces of whole lines from all over a file, in their order, the first and the last complete line among them.

    Raises:
        OSError: the file cannot be read.
    """
    fd = os.open(metrics_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rest = max(0, size - _TAIL_BYTES)
        pieces = (
            [_whole_lines(fd, rest * i // _PIECE_COUNT, min(_PIECE_BYTES, rest)) for i in range(_PIECE_COUNT)]
            if rest
            else []
        )
        pieces.append(_whole_lines(fd, rest, size - rest))
    finally:
        os.close(fd)
    return [piece for piece in pieces if piece]


def _whole_lines(fd: int, start: int, length: int) -> bytes:
    """The lines that stand wholly in a piece of the file."""
    data = os.pread(fd, length, start)
    first = data.find(b"\n") + 1 if start else 0
    end = data.rfind(b"\n") + 1
    return data[first:end] if end > first else b""
