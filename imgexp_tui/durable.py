"""Files that are whole after a crash.

A write is either absent or complete: temporary file in the same folder, fsync, rename, fsync of the folder
(see `man 2 rename` and `man 2 fsync`; the folder's own sync is what makes the new name survive a power cut).
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
"""With these a file system says that what was written may be lost; with others, that it cannot sync a folder."""
_TEMPORARY_NAME = re.compile(r"\.(?P<name>.+)\.\w{8}\.tmp")
"""As `tempfile` names the files that are made here."""


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. File systems that refuse to sync a folder are left alone.

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
    """A synced temporary file with `data` beside `path`, to be renamed or linked. An error names `path`."""
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
    """Put `data` at `path`, durably, in place of whatever stands there.

    Raises:
        OSError: what stood there is untouched or, where only the folder could not be synced, replaced whole; no
            temporary file is left.
    """
    with _synced_temporary(path, data, mode) as temporary:
        temporary.replace(path)


def create(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, durably, where nothing stands yet.

    Raises:
        FileExistsError: something stands there; it is untouched.
        OSError: nothing was put there or, where only the folder could not be synced, the whole.
    """
    with _synced_temporary(path, data, mode) as temporary:
        # A link, unlike a rename, refuses to take the place of a file.
        os.link(temporary, path)
        _remove(temporary)


def remove_temporary_files(folder: Path, names: Collection[str] = ()) -> None:
    """Remove the temporary files that writers which were killed left for the files `names`; for any, without.

    Only for whoever knows that nobody else is writing those just now.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            of = _TEMPORARY_NAME.fullmatch(entry.name)
            if of and (not names or of["name"] in names):
                _remove(Path(entry.path))


def _remove(temporary: Path) -> None:
    """Where even that fails, it lies there until `remove_temporary_files`: the write itself is not undone by it."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def append(path: Path, lines: bytes, *, mode: int = 0o600) -> None:
    """Add whole lines, durably, in one `write`, so that those of several writers never mix.

    A torn line that a crash left at the end is closed first, so that what follows stays readable.

    Raises:
        OSError: not all of it is there for certain.
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
    """Make a folder, durably, and those above it that are missing.

    Raises:
        OSError: it could not be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(mode=mode, exist_ok=True)
        sync_folder(made.parent)
