"""Reads and writes files of JSON lines: each line in one `write`, new lines by their offset.

A line is a JSON object. Numbers that are not finite are written as the texts "nan", "inf" and "-inf" (JSON has no such
numbers, and `null` would not distinguish them). Readers ignore a torn or zero-filled tail until it is complete.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui.records.json_bytes import dumps

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_BLANK_BYTES = b"\0 \t\r"
_MAX_POLL_BYTES = 4 << 20
"""Bytes that one poll reads; lines of this program are much shorter."""


def encode_line(record: dict[str, Any]) -> bytes:
    """One line as bytes, with its newline. Characters that UTF-8 cannot encode, such as in file names, become "?"."""
    data = dumps(record, _OPTIONS)
    if b"null" in data:  # maybe a number that is not finite; looking at each beforehand would double the cost of a call
        record = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        data = dumps(record, _OPTIONS)
    return data


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one record to a file that several processes write rarely, such as `events.jsonl`."""
    with contextlib.closing(LineWriter(path)) as writer:
        writer.write(record)


def decode_number(value: Any) -> Any:
    """A value of a line as it was written: "nan", "inf" and "-inf" become numbers again."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


class LineWriter:
    """Appends records to one file that stays open, each in a single `write`.

    When `write` returns, the kernel has the line, which survives a SIGKILL of this process. A torn line that a crash or
    a full disk left at the end of the file gets a newline before the next line, so that later lines stay readable.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._fd).st_size
        self._ends_torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def write(self, record: dict[str, Any]) -> None:
        """Append one record.

        Raises:
            OSError: the disk is full or failing; nothing, or a torn line that readers skip, was written.
        """
        data = b"\n" + encode_line(record) if self._ends_torn else encode_line(record)
        self._ends_torn = False
        done = os.write(self._fd, data)
        if done != len(data):  # the disk is full: the rest fails and says so
            self._ends_torn = True
            os.write(self._fd, data[done:])
            self._ends_torn = False

    def close(self) -> None:
        os.close(self._fd)


class LineTail:
    """Reads the lines that were added to a file of JSON lines since the last call.

    Attributes:
        skipped: number of complete lines that were not JSON objects.
        restarted: whether the last `poll` read from the start again, because the file was replaced or truncated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self.restarted = False
        self._offset = 0
        self._inode = 0
        self._restart_pending = False

    def poll(self) -> list[dict[str, Any]]:
        """The new complete records, at most about 4 MB per call; [] for none.

        A file that was replaced or truncated is read from its start again; `restarted` is then set with its first
        records.
        """
        self.restarted = False
        while (data := self._read()) is not None:
            records = [r for line in data.splitlines() if (r := self._parse_counting_skipped(line)) is not None]
            if records:
                self.restarted, self._restart_pending = self._restart_pending, False
                return records
        return []

    @property
    def offset(self) -> int:
        """The position of the first byte that was not read yet."""
        return self._offset

    def start_at(self, offset: int) -> None:
        """Continue at the beginning of a line; the lines before it are known already."""
        with contextlib.suppress(OSError):
            self._inode = self.path.stat().st_ino
        self._offset, self._restart_pending = offset, False

    def _read(self) -> bytes | None:
        """The next complete lines; None where there are none yet."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if status.st_ino != self._inode or status.st_size < self._offset:
                self._restart_pending = self._restart_pending or self._offset > 0
                self._offset, self._inode = 0, status.st_ino
            if status.st_size == self._offset:
                return None
            data = os.pread(fd, _MAX_POLL_BYTES, self._offset)
        finally:
            os.close(fd)
        end = data.rfind(b"\n") + 1
        if (
            not end and len(data) == _MAX_POLL_BYTES
        ):  # no line is that long: a crash left a hole, or another program wrote the file
            end = _MAX_POLL_BYTES
        self._offset += end
        return data[:end] if end else None

    def _parse_counting_skipped(self, line: bytes) -> dict[str, Any] | None:
        record = parse_line(line)
        self.skipped += record is None and bool(line.strip(_BLANK_BYTES))
        return record


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The record of one line; None where it is not a JSON object."""
    try:
        record = orjson.loads(line.strip(_BLANK_BYTES))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict):
        return None
    # Most records of metrics hold no text: looking for one costs less than building the record again.
    return {k: decode_number(v) for k, v in record.items()} if str in map(type, record.values()) else record


def read_records(path: Path) -> list[dict[str, Any]]:
    """Every complete record of a file; [] where the file is missing."""
    tail, records = LineTail(path), []
    while batch := tail.poll():
        records += batch
    return records
