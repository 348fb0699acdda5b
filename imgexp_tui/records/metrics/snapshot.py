"""`cache/curves.bin`: the curves of a long run as columns, so that nobody parses a million lines twice.

Disposable, and never trusted blindly: it names the bytes of the record that it was made from by their number and a
hash of samples of them, its parts carry checksums, and whatever does not fit is as if it were not there. One file,
replaced whole, so that any number of readers and writers need no lock; what was appended to the record since is read
from the record. Standard library only: the app draws its first curve from the overview here, before NumPy is loaded.

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
"""A part of a snapshot."""


@dataclass(frozen=True, slots=True)
class RecordPrefix:
    """The beginning of a record that a snapshot was made from: everything before a position, and its fingerprint."""

    offset: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Overview:
    """A run's curves in few points, the extremes of every stretch of steps and a broken value among them.

    Attributes:
        offset: bytes of the record that are in it.
        series: metric → steps and values.
        epochs: steps and epochs, where an epoch begins.
        attempt_starts: attempt → its first step, for the attempts after the first.
        training_seconds: steps of validations, and seconds of training until then.
        epoch_start_times: epoch → time of its first line.
        total_seconds, longest_gap: seconds of training in all, and the longest between two lines.
        step, epoch, time: of the latest line; `first_time` is the time of the first.
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
    """The snapshot is not what was written."""


class Snapshot:
    """An open snapshot. What it holds is there as long as the object is, also where the file was replaced meanwhile.

    Attributes:
        meta: what the writer told beside the blocks.
        prefix: the part of the record that it was made from.
    """

    def __init__(self, fd: int) -> None:
        """Take over a file descriptor.

        Raises:
            Damaged: this is no snapshot of this version, or not a whole one. The descriptor is closed.
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
            found = orjson.loads(data)
            self.prefix = RecordPrefix(int(found["offset"]), str(found["print"]))
            self.meta: dict[str, Any] = found["meta"]
            self._blocks: dict[str, list[int]] = found["blocks"]
            size = int(found["size"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotDamaged("the header is damaged") from error
        if os.fstat(self._fd).st_size < size:
            raise SnapshotDamaged("the file is cut short")

    def block(self, name: str) -> bytes:
        """One block, checked.

        Raises:
            Damaged: it is not what was written.
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
            Damaged, OSError: as `block`.
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
        found = Snapshot(os.open(folder / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, SnapshotDamaged):
        return None
    if has_prefix(source, found.prefix):
        return found
    found.close()
    return None


def write(fd: int, prefix: RecordPrefix, meta: Mapping[str, Any], blocks: Mapping[str, SnapshotBlock]) -> None:
    """Write a snapshot to the beginning of an empty file.

    Raises:
        OSError: the disk is full or failing.
    """
    head: dict[str, Any] = {"offset": prefix.offset, "print": prefix.fingerprint, "meta": meta, "blocks": {}, "size": 0}
    sums = {name: zlib.crc32(data) for name, data in blocks.items()}
    # The places are part of the header whose length decides them: it is measured with longer ones.
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
    """Put a snapshot into a run's cache folder in place of the one there.

    It is not synced to the disk: after a loss of power it may be damaged, which its readers find out.

    Raises:
        OSError: it cannot be written; nothing is left of it.
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
    found = source.stat()
    try:
        return (
            found is not None
            and found.size >= prefix.offset
            and source.fingerprint(prefix.offset) == prefix.fingerprint
        )
    except OSError:
        return False


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _remove_stale_files(folder: Path) -> None:
    """Remove what writers that were killed left behind."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(f".{FILE_NAME}.") and time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                Path(entry.path).unlink()
