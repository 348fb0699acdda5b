"""JSON lines: written in one `write` each, read by offset while they grow.

A line is a JSON object. What is not finite is written as the texts "nan", "inf" and "-inf" (JSON has no such
numbers, and `null` would not tell them apart). A reader takes a torn or zero-filled tail as "not yet".
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui import durable

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_SLICE = 4 << 20


def encode(record: dict[str, Any]) -> bytes:
    """One line of bytes with its newline."""
    record = {k: str(v) if type(v) is float and not math.isfinite(v) else v for k, v in record.items()}
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one record to a file that several processes write rarely, such as `events.jsonl`."""
    durable.append(path, encode(record))


def finite(value: Any) -> Any:
    """A number of a line, with the texts that stand for what is not finite turned back."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


class LineWriter:
    """Appends records to one file that stays open, each in a single `write`.

    A line is acknowledged when `write` returns: it is then in the kernel's hands and survives a SIGKILL of this
    process. A torn line that a crash left at the end of the file is closed with a newline first, so that what
    follows stays readable.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def write(self, record: dict[str, Any]) -> None:
        """Add one record.

        Raises:
            OSError: the disk is full or failing; nothing, or a torn line that readers skip, was written.
        """
        data = encode(record)
        done = os.write(self._fd, data)
        if done != len(data):
            os.write(self._fd, data[done:])

    def close(self) -> None:
        os.close(self._fd)


class LineTail:
    """Reads what has been added to a file of JSON lines since the last call.

    Attributes:
        skipped: complete lines that were no JSON object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self._offset = 0
        self._inode = 0

    def poll(self) -> list[dict[str, Any]]:
        """The new complete records, at most about 4 MB of them a call; [] where there are none.

        A file that was replaced or cut short is read from its start again, which `restarted` tells.
        """
        self.restarted = False
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            status = os.fstat(fd)
            if status.st_ino != self._inode or status.st_size < self._offset:
                self.restarted = self._offset > 0
                self._offset, self._inode = 0, status.st_ino
            if status.st_size == self._offset:
                return []
            data = os.pread(fd, _SLICE, self._offset)
        finally:
            os.close(fd)
        end = data.rfind(b"\n") + 1
        self._offset += end
        return [r for line in data[:end].splitlines() if (r := self._parse(line)) is not None]

    restarted: bool = False

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        line = line.strip(b"\0 \t\r")
        if not line:
            return None
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            self.skipped += 1
            return None
        return {k: finite(v) for k, v in record.items()}


def read(path: Path) -> list[dict[str, Any]]:
    """Every complete record of a file; [] where the file is missing."""
    tail, found = LineTail(path), []
    while batch := tail.poll():
        found += batch
    return found
