"""A file put in place of another such that what it displaced can be looked at.

A plain rename overwrites whatever another writer put there since it was read. `renameat2(RENAME_EXCHANGE)` (Linux
3.15, see `man 2 renameat2`) swaps two names at once, so the displaced bytes are in hand and nothing can be lost
unseen. Where the file system has no exchange, the file is read once more just before the rename.

Savers of this program also take turns, so that two of them never swap at once. Other programs take no turns: against
them the exchange alone helps, as it does where a cluster's file system drops locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from imgexp_tui import durable

_AT_FDCWD = -100
_EXCHANGE = 2
_WITHOUT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


_PATIENCE = 5.0
"""Seconds to wait for a turn; a saver that was halted in the middle of its own must not hold up the others."""


@contextlib.contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Wait for the other savers that use the file `lock`, as far as the file system can tell of them."""
    fd = None
    with contextlib.suppress(OSError):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        limit = time.monotonic() + _PATIENCE
        while fd is not None and time.monotonic() < limit:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                break
        yield
    finally:
        if fd is not None:
            os.close(fd)


def put(path: Path, data: bytes, expected: bytes) -> tuple[bytes, bytes | None]:
    """Put `data`, durably, at `path`, where `expected` is believed to stand. Mode and owner are kept.

    Returns:
        What stood there in truth; where it is not `expected`, it stands there still and `data` was not put. Then what
        yet another writer put there in the moment of looking, which nobody but the caller has now; None mostly.

    Raises:
        OSError: the file is untouched.
    """
    before = path.stat()
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    third = None
    try:
        with os.fdopen(fd, "wb") as file:
            with contextlib.suppress(OSError):
                os.fchown(fd, before.st_uid, before.st_gid)
            os.fchmod(fd, before.st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(fd)
        if _exchange(temporary, path):
            found = temporary.read_bytes()
            if found != expected:
                _exchange(temporary, path)
                displaced = temporary.read_bytes()
                third = displaced if displaced != data else None
        else:
            found = path.read_bytes()
            if found == expected:
                temporary.replace(path)
        durable.sync_folder(path.parent)
        return found, third
    finally:
        temporary.unlink(missing_ok=True)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two names at once; False where this system or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _WITHOUT:
        return False
    raise OSError(code, os.strerror(code), os.fspath(b))
