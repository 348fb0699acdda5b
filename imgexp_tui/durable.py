"""Files that are whole after a crash.

A write is either absent or complete: temporary file in the same folder, fsync, rename, fsync of the folder
(see `man 2 rename` and `man 2 fsync`; the folder's own sync is what makes the new name survive a power cut).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. File systems that refuse to sync a folder are left alone."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _complete(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A synced temporary file with `data` beside `path`; gone afterwards unless the caller renamed it."""
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, durably, in place of whatever stands there.

    Raises:
        OSError: the old file is then untouched and no temporary file is left.
    """
    with _complete(path, data, mode) as temporary:
        temporary.replace(path)


def create(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, durably, where nothing stands yet.

    Raises:
        FileExistsError: something stands there; it is untouched.
        OSError: nothing was put there.
    """
    with _complete(path, data, mode) as temporary:
        # A link, unlike a rename, refuses to take the place of a file.
        os.link(temporary, path)


def append(path: Path, line: bytes, *, mode: int = 0o600) -> None:
    """Add one line in one `write`, so that lines of several writers never mix; not synced."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)
