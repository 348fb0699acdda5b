"""Replaces a file atomically (compare and swap), such that what was displaced can be checked and put back.

A plain rename overwrites whatever another program wrote since the file was read. `renameat2(RENAME_EXCHANGE)` (Linux
3.15, see `man 2 renameat2`) exchanges two names in one step, so the displaced bytes are still there and nothing is lost
unnoticed. If the file system has no exchange, the file is read once more just before a rename.

The name of the swap file states its purpose: `.NAME.EXPECTED-NEW.XXXXXXXX.swap`, with two hashes. A process that is
killed between checking and putting back leaves it behind, and `recover_interrupted_swaps` finishes the work.

A program that writes in place, rather than by renaming, may have opened the file before the swap and write after it.
The kernel refuses a read lease (`man 2 fcntl`, F_SETLEASE) on a file that anybody has open for writing, which detects
such programs. While a lease is held, programs that are about to open the file for writing wait.

Until the displaced file has been checked, the new file may have to be withdrawn. So others must not read it yet, and
then write their change of it over the file that was put back. A write lease makes readers wait for these microseconds,
and then they read the file that was put back. Where there are no leases (NFS, another user's file), and if the process
is killed at that moment, such a reader can overwrite text that it never saw.

One case cannot be prevented: a program that read the file before a swap, and afterwards writes its change of it,
overwrites the edit in between. That edit is in the history, see `history.log`.

Processes of this program also take a lock, so that two of them never swap at the same time. Other programs do not:
against them only the exchange helps, as it does on a cluster's file system that drops locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import hashlib
import os
import re
import secrets
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from imgexp_tui import durable

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED_ERRNOS = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_SWAP_FILE_NAME = re.compile(r"\.(?P<name>.+)\.(?P<expected>[0-9a-f]{16})-(?P<new>[0-9a-f]{16})\.[0-9a-f]{8}\.swap")
_LEASE_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"})
"""File systems on which a refused lease means a writer; on NFS it may mean that the server gave no delegation."""
_MAX_RESTORE_SWAPS = 50
"""Files of others that may replace one another while one of them is put back."""


_LOCK_TIMEOUT = 5.0
"""Seconds to wait for the lock; a process that was stopped while it held the lock must not block the others."""


@contextlib.contextmanager
def hold_save_lock(lock: Path) -> Iterator[bool]:
    """Waits for other processes that hold the file `lock`. Yields whether the lock was obtained."""
    fd, locked = None, False
    with contextlib.suppress(OSError):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        limit = time.monotonic() + _LOCK_TIMEOUT
        while fd is not None and time.monotonic() < limit:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
                break
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                break
        yield locked
    finally:
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def find_read_only(path: Path) -> Path | None:
    """Returns the file at `path` or its folder if it is read-only for this user: a rename would ignore a file's mode.

    A file that is missing while another program renames one to its name does not count as read-only.
    """
    for place, needed in ((path, os.W_OK), (path.parent, os.W_OK | os.X_OK)):
        before = _inode(place)
        if before is not None and not os.access(place, needed) and _inode(place) == before:
            return place
    return None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def read_with_writer_check(path: Path) -> tuple[bytes, bool]:
    """Returns what a file holds, and whether another process has it open for writing, so that more may follow.

    Raises:
        OSError: it cannot be read.
    """
    with _read_under_lease(path) as (data, busy, _):
        return data, busy


@contextlib.contextmanager
def _read_under_lease(path: Path) -> Iterator[tuple[bytes, bool, int]]:
    """Yields what `read_with_writer_check` returns, and the inode.

    Until it exits, the kernel makes other processes that want to open the file for writing wait, if it can.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        busy = not _take_lease(fd, fcntl.F_RDLCK)
        yield file.read(), busy, os.fstat(fd).st_ino


def compare_and_swap(path: Path, data: bytes, expected: bytes) -> bool:
    """Replaces `path` durably with `data` if it holds `expected`. Mode, owner and extended attributes are kept.

    Returns:
        Whether it was replaced; if not, the file holds what others wrote.

    Raises:
        OSError: the file is as it was or, where only the folder could not be synced, replaced whole.
    """
    swap_file, new_file = _write_swap_file(path, data, expected)
    try:
        with _write_lease(new_file):
            return _swap_and_verify(swap_file, path, new_file, data, expected)
    except BaseException:
        # After an exchange the swap file may be another program's: `recover_interrupted_swaps` decides about it.
        with contextlib.suppress(OSError):
            if _digest(swap_file.read_bytes()) in (_digest(data), _digest(expected)):
                swap_file.unlink()
        raise


def _swap_and_verify(swap_file: Path, path: Path, new_file: BinaryIO, data: bytes, expected: bytes) -> bool:
    with _read_under_lease(path) as (current, busy, inode):
        if busy or current != expected:
            swap_file.unlink()
            return False
        if not _exchange(swap_file, path):
            swap_file.replace(path)
            _release_lease(new_file)
            durable.sync_folder(path.parent)
            return True
        # The quick check comes first: others wait for it.
        verified = swap_file.stat().st_ino == inode and read_with_writer_check(swap_file) == (expected, False)
        if verified:
            _release_lease(new_file)
            durable.sync_folder(path.parent)
            # By now any program that had resolved the file's name before the exchange has opened it.
            verified = read_with_writer_check(swap_file) == (expected, False)
        if not verified:
            _restore_displaced(swap_file, path, new_file, data)
            durable.sync_folder(path.parent)
        swap_file.unlink(missing_ok=True)
        return verified


def _write_swap_file(path: Path, data: bytes, expected: bytes) -> tuple[Path, BinaryIO]:
    """Returns a synced file with `data` in the folder of `path`, with the name of a swap file; and that file, open."""
    before = path.stat()
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary, new = Path(name), os.fdopen(fd, "r+b")
    try:
        _copy_attributes(path, fd, before)
        new.write(data)
        new.flush()
        os.fsync(fd)
        # Only a complete file has this name, so that a text of others is never taken for an incomplete one.
        swap = f".{path.name}.{_digest(expected)}-{_digest(data)}.{secrets.token_hex(4)}.swap"
        return temporary.rename(path.with_name(swap)), new
    except BaseException:
        _release_lease(new)
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _write_lease(new_file: BinaryIO) -> Iterator[None]:
    """Makes other processes that open the file wait, if the kernel can, until this exits or the file is released."""
    _take_lease(new_file.fileno(), fcntl.F_WRLCK)
    try:
        yield
    finally:
        _release_lease(new_file)


def _release_lease(new_file: BinaryIO) -> None:
    if not new_file.closed:
        # Its data was synced before; a process that is being forked may have it open for a moment longer.
        with contextlib.suppress(OSError):
            fcntl.fcntl(new_file.fileno(), fcntl.F_SETLEASE, fcntl.F_UNLCK)
        with contextlib.suppress(OSError):
            new_file.close()


def recover_interrupted_swaps(path: Path) -> None:
    """Cleans up after processes that were killed while they saved; none may be running. What others wrote is kept.

    Raises:
        OSError: the folder cannot be read or written to.
    """
    durable.remove_temporary_files(path.parent, [path.name])
    for swap_file in sorted(path.parent.glob(f".{path.name}.*.swap")):
        hashes = _SWAP_FILE_NAME.fullmatch(swap_file.name)
        if not hashes or hashes["name"] != path.name:
            continue
        current = _digest(path.read_bytes())
        if _digest(swap_file.read_bytes()) in (hashes["expected"], hashes["new"], current):
            swap_file.unlink()
        elif current != hashes["new"]:
            _keep_as_other_file(swap_file, path)
        else:
            # The process found that it had displaced another program's file, and was killed before it put that back.
            _exchange(swap_file, path)
            if _digest(swap_file.read_bytes()) == hashes["new"]:
                swap_file.unlink()
            else:
                _keep_as_other_file(swap_file, path)
        durable.sync_folder(path.parent)


def _restore_displaced(swap_file: Path, path: Path, new_file: BinaryIO, data: bytes) -> None:
    """Puts back what `data` displaced, and what is displaced by that if it is newer than `data`."""
    displaced, inode = swap_file.read_bytes(), swap_file.stat().st_ino
    _exchange(swap_file, path)
    if not new_file.closed:
        # A program that waits to read this file must get the current text.
        data = displaced
        new_file.seek(0)
        new_file.write(displaced)
        new_file.truncate()
        _release_lease(new_file)
    if read_with_writer_check(swap_file) == (data, False):
        return
    for _ in range(_MAX_RESTORE_SWAPS):
        newer = swap_file.stat().st_ino
        _exchange(swap_file, path)
        if swap_file.stat().st_ino == inode:
            break
        inode = newer
    _keep_as_other_file(swap_file, path)


def _keep_as_other_file(swap_file: Path, path: Path) -> None:
    """Keeps, as `NAME.HASH.other`, the text of one of two other programs that wrote at the same instant."""
    swap_file.rename(path.with_name(f"{path.name}.{_digest(swap_file.read_bytes())[:12]}.other"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _copy_attributes(path: Path, fd: int, old_stat: os.stat_result) -> None:
    """Gives a new file the owner, the mode and the extended attributes (access lists too) of the file at `path`."""
    try:
        os.fchown(fd, old_stat.st_uid, old_stat.st_gid)
    except OSError:
        # Only root can give files away; the group often can be kept.
        with contextlib.suppress(OSError):
            os.fchown(fd, -1, old_stat.st_gid)
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.getxattr(path, name))
    os.fchmod(fd, stat.S_IMODE(old_stat.st_mode))


def _take_lease(fd: int, kind: int) -> bool:
    """Takes a lease that ends with the descriptor. Returns False if another process has the file open.

    Args:
        kind: `F_RDLCK` detects and blocks writers, `F_WRLCK` readers too.
    """
    try:
        # The kernel sends a signal if another process opens the file meanwhile; SIGURG is ignored by default.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
    except OSError as error:
        return error.errno != errno.EAGAIN or _file_system_type(os.fstat(fd).st_dev) not in _LEASE_FILE_SYSTEMS
    return True


def _file_system_type(device: int) -> str:
    """Returns the type of a mounted file system, such as ext4; "" if unknown."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            words = line.split()
            if words[2] == number and "-" in words:
                return words[words.index("-") + 1]
    return ""


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None


def _exchange(a: Path, b: Path) -> bool:
    """Exchanges two names in one step. Returns False if this system or file system cannot."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED_ERRNOS:
        return False
    raise OSError(code, os.strerror(code), os.fspath(b))
