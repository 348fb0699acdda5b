"""Detects that a run's folder was deleted, as opposed to moved."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_DELETED_SUFFIX = " (deleted)"


class WatchedFolder:
    """A folder, identified by an open descriptor rather than by its path."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def is_deleted(self) -> bool:
        """Linux marks the link of an open folder that has no name any more; a network file system calls it stale."""
        try:
            os.fstat(self._fd)
            return os.readlink(f"/proc/self/fd/{self._fd}").endswith(_DELETED_SUFFIX)  # noqa: PTH115
        except OSError as error:
            return error.errno == errno.ESTALE
