"""Reads the last lines of a run's log. Only the end is read: the file may be huge, or on a slow disk."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.text import clean_log

_TAIL_BYTES = 64 << 10


class LogTail:
    """The last lines of one file.

    Args:
        max_bytes: bytes from the end that are read.
    """

    def __init__(self, path: Path, max_bytes: int = _TAIL_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file_stamp = (-1, -1)
        self._lines: tuple[str, ...] = ()

    def poll(self) -> tuple[str, ...]:
        """The lines now, cleaned; the same object where the file has not changed."""
        try:
            stat = self.path.stat()
            if (stat.st_size, stat.st_mtime_ns) == self._file_stamp:
                return self._lines
            with self.path.open("rb") as file:
                start = max(0, stat.st_size - self._max_bytes)
                file.seek(start)
                data = file.read(self._max_bytes)
        except OSError:
            self._file_stamp, self._lines = (-1, -1), ()
            return self._lines
        self._file_stamp = (stat.st_size, stat.st_mtime_ns)
        lines = data.decode("utf-8", "replace").split("\n")
        if start and len(lines) > 1:  # the first is incomplete
            del lines[0]
        if lines and not lines[-1]:
            del lines[-1]
        self._lines = tuple(clean_log(line) for line in lines)
        return self._lines
