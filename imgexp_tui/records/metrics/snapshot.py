"""Reads and writes `cache/curves.bin`: the curves of a long run as columns, so that its record is parsed only once.

The file is disposable. It names the part of the record that it was made from by its length and by a hash of samples,
and its blocks carry checksums. A file that does not fit counts as missing. It is replaced whole, so that any number of
readers and writers need no lock; records appended since are read from the source. Standard library only: the app draws
its first curve from the overview here before NumPy is loaded.

    magic, version, length and checksum of the header │ header (JSON) │ blocks, each at a multiple of 64
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import time
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.source import MetricSource

FILE_NAME = "curves.bin"
_MAGIC = b"IMGXCRV\n"
_VERSION = 1
_PREAMBLE = struct.Struct("<8sIIQ")
_ALIGN = 64
_MAX_HEADER_BYTES = 64 << 20
_STALE_SECONDS = 3600.0

SnapshotBlock = bytes | memoryview
"""The bytes of one block."""


@dataclass(frozen=True, slots=True)
class RecordPrefix:
    """The beginning of a record that a snapshot was made from: everything before a position, and its fingerprint."""

    offset: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Overview:
    """A run's curves in few points, with the extremes and a broken value of every stretch of steps.

    Attributes:
        offset: the position up to which the record is in it.
        series: metric → steps and values.
        epochs: steps and epochs at which an epoch begins.
        attempt_starts: attempt → its first step, for the attempts after the first.
        training_seconds: steps of validations, and seconds of training until each.
        epoch_start_times: epoch → time of its first record.
        total_seconds, longest_gap: seconds of training in all, and the longest time between two records.
        step, epoch, time: of the latest record; `first_time` is the time of the first.
    """

    offset: int
    series: dict[str, tuple[array[int], array[float]]]
    epochs: tuple[array[int], array[float]]
    attempt_starts: dict[int, int]
    training_seconds: tuple[array[int], array[float]]
    epoch_start_times: dict[int, float]
    total_seconds: float
    longest_gap: float
    step: int | None
    epoch: float | None
    time: float | None
    first_time: float | None


class SnapshotDamaged(Exception):
    """A snapshot is not as it was written, or of another version."""


class Snapshot:
    """An open snapshot. It can be read as long as the object exists, even after the file was replaced.

    Attributes:
        meta: what the writer stored beside the blocks.
        prefix: the part of the record that it was made from.
    """

    def __init__(self, fd: int) -> None:
        """Take over a file descriptor.

        Raises:
            SnapshotDamaged: this is no snapshot of this version, or not a whole one. The descriptor is closed.
            OSError: it cannot be read.
        """
        self._fd = fd
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        fixed = os.pread(self._fd, _PREAMBLE.size, 0)
        if len(fixed) != _PREAMBLE.size:
            raise SnapshotDamaged("too short")
        magic, version, checksum, length = _PREAMBLE.unpack(fixed)
        if magic != _MAGIC or version != _VERSION or length > _MAX_HEADER_BYTES:
            raise SnapshotDamaged("not a snapshot of this version")
        data = os.pread(self._fd, length, _PREAMBLE.size)
        if len(data) != length or zlib.crc32(data) != checksum:
            raise SnapshotDamaged("the header is damaged")
        try:
            header = orjson.loads(data)
            self.prefix = RecordPrefix(int(header["offset"]), str(header["print"]))
            self.meta: dict[str, Any] = header["meta"]
            self._blocks: dict[str, list[int]] = header["blocks"]
            size = int(header["size"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotDamaged("the header is damaged") from error
        if os.fstat(self._fd).st_size < size:
            raise SnapshotDamaged("the file is cut short")

    def block(self, name: str) -> bytes:
        """One block, checked against its checksum.

        Raises:
            SnapshotDamaged: it is not what was written.
            OSError: it cannot be read.
        """
        try:
            offset, length, checksum = self._blocks[name]
        except KeyError as error:
            raise SnapshotDamaged(f"there is no {name}") from error
        data = os.pread(self._fd, length, offset)
        while 0 < len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
            data += more
        if len(data) != length or zlib.crc32(data) != checksum:
            raise SnapshotDamaged(f"{name} is damaged")
        return data

    def overview(self) -> Overview:
        """The curves in few points.

        Raises:
            SnapshotDamaged, OSError: as for `block`.
        """
        meta = self.meta
        try:
            series = {name: self._read_pair(f"overview/{i}") for i, name in enumerate(meta["metrics"])}
            attempts = {int(a): int(s) for a, s in meta["attempts"]}
            began = {int(e): float(t) for e, t in meta["began"]}
            values = [meta[name] for name in ("seconds", "longest", "step", "epoch", "time", "begun")]
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotDamaged("the header is damaged") from error
        epochs, trained = self._read_pair("overview/epochs"), self._read_pair("overview/trained")
        return Overview(self.prefix.offset, series, epochs, attempts, trained, began, *values)

    def _read_pair(self, name: str) -> tuple[array[int], array[float]]:
        data = self.block(name)
        half = len(data) // 2
        steps, values = array("q"), array("d")
        steps.frombytes(data[:half])
        values.frombytes(data[half:])
        return steps, values

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


def open_snapshot(folder: Path, source: MetricSource) -> Snapshot | None:
    """The snapshot in a run's cache folder; None where it is damaged or the record begins with something else."""
    try:
        snapshot = Snapshot(os.open(folder / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, SnapshotDamaged):
        return None
    if has_prefix(source, snapshot.prefix):
        return snapshot
    snapshot.close()
    return None


def write(fd: int, prefix: RecordPrefix, meta: Mapping[str, Any], blocks: Mapping[str, SnapshotBlock]) -> None:
    """Write a snapshot to the beginning of an empty file.

    Raises:
        OSError: the disk is full or failing.
    """
    head: dict[str, Any] = {"offset": prefix.offset, "print": prefix.fingerprint, "meta": meta, "blocks": {}, "size": 0}
    sums = {name: zlib.crc32(data) for name, data in blocks.items()}
    # The offsets are part of the header, whose length they depend on. It is measured with the longest offsets.
    longest = {name: [1 << 60, len(data), sums[name]] for name, data in blocks.items()}
    offset = at = _aligned(_PREAMBLE.size + len(orjson.dumps(head | {"blocks": longest, "size": 1 << 60})))
    for name, data in blocks.items():
        head["blocks"][name] = [at, len(data), sums[name]]
        at = _aligned(at + len(data))
    head["size"] = at
    header = orjson.dumps(head)
    start = _PREAMBLE.pack(_MAGIC, _VERSION, zlib.crc32(header), len(header)) + header
    with os.fdopen(fd, "wb", closefd=False) as file:
        file.write(start.ljust(offset, b"\0"))
        for data in blocks.values():
            file.write(data)
            file.write(bytes(_aligned(len(data)) - len(data)))


def store(folder: Path, prefix: RecordPrefix, meta: Mapping[str, Any], blocks: Mapping[str, SnapshotBlock]) -> None:
    """Replace the snapshot in a run's cache folder.

    It is not synced to the disk. After a loss of power it may be damaged, which its readers notice.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    _remove_stale_files(folder)
    fd, name = tempfile.mkstemp(prefix=f".{FILE_NAME}.", suffix=".tmp", dir=folder)
    try:
        write(fd, prefix, meta, blocks)
        Path(name).replace(folder / FILE_NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    finally:
        os.close(fd)


def prefix_of(source: MetricSource, position: int) -> RecordPrefix:
    """What a snapshot of everything before a position is made from.

    Raises:
        OSError: the source cannot be read.
    """
    return RecordPrefix(position, source.fingerprint(position))


def has_prefix(source: MetricSource, prefix: RecordPrefix) -> bool:
    """Whether a record still begins with what a snapshot was made from, as far as samples of it show."""
    stat = source.stat()
    try:
        return (
            stat is not None and stat.size >= prefix.offset and source.fingerprint(prefix.offset) == prefix.fingerprint
        )
    except OSError:
        return False


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _remove_stale_files(folder: Path) -> None:
    """Remove the files that killed writers left behind."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(f".{FILE_NAME}.") and time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                Path(entry.path).unlink()
