"""Writes files that are complete or absent after a crash, and folders and lines that survive a power cut.

A file is written as a temporary file in the same folder, fsync, rename, fsync of the folder (see `man 2 rename` and
`man 2 fsync`; only the sync of the folder makes the new name survive a power cut).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

DATA_LOSS_ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
"""Errors of fsync that mean that written data may be lost; others mean that the file system cannot sync a folder."""
_TEMPORARY_NAME = re.compile(r"\.(?P<name>.+)\.\w{8}\.tmp")
"""The names of this module's temporary files."""


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable. File systems that cannot sync a folder are ignored.

    Raises:
        OSError: the disk is full or failing, or the folder is gone.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno in DATA_LOSS_ERRORS:
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def _synced_temporary(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Yields a synced temporary file with `data` next to `path`, to be renamed or linked. Errors name `path`."""
    temporary = None
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        sync_folder(path.parent)
    except BaseException as error:
        if temporary:
            _remove(temporary)
        if isinstance(error, OSError):
            error.filename, error.filename2 = os.fspath(path), None
        raise


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Writes `data` to `path`, durably, and replaces an existing file.

    Raises:
        OSError: the existing file is unchanged or, where only the folder could not be synced, completely replaced; no
            temporary file is left.
    """
    with _synced_temporary(path, data, mode) as temporary:
        temporary.replace(path)


def create(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Writes `data` to `path`, durably, if nothing exists there.

    Raises:
        FileExistsError: `path` exists; it is unchanged.
        OSError: no file was created or, where only the folder could not be synced, the complete one.
    """
    with _synced_temporary(path, data, mode) as temporary:
        # Unlike a rename, a link fails where a file exists.
        os.link(temporary, path)
        _remove(temporary)


def remove_temporary_files(folder: Path, names: Collection[str] = ()) -> None:
    """Removes the temporary files that killed writers left for the files `names`; without names, for all files.

    The caller must know that no other process is writing these files.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            of = _TEMPORARY_NAME.fullmatch(entry.name)
            if of and (not names or of["name"] in names):
                _remove(Path(entry.path))


def _remove(temporary: Path) -> None:
    """Removes a file if possible; otherwise it stays until `remove_temporary_files`, and the write still counts."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def append(path: Path, lines: bytes, *, mode: int = 0o600) -> None:
    """Appends complete lines, durably, in one `write`, so that lines of several writers never mix.

    An incomplete line that a crash left at the end is ended first, so that the new lines stay readable.

    Raises:
        OSError: the lines may be missing or incomplete.
    """
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        data = b"\n" + lines if torn else lines
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    if not size:
        sync_folder(path.parent)


def make_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Creates a folder and its missing parents, durably.

    Raises:
        OSError: it could not be created.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new_folder in reversed(missing):
        new_folder.mkdir(mode=mode, exist_ok=True)
        sync_folder(new_folder.parent)
