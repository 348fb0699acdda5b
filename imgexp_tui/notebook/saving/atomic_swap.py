"""A file put in place of another such that what it displaced can be looked at.

A plain rename overwrites whatever another writer put there since it was read. `renameat2(RENAME_EXCHANGE)` (Linux
3.15, see `man 2 renameat2`) swaps two names at once, so the displaced bytes are in hand and nothing can be lost
unseen. Where the file system has no exchange, the file is read once more just before the rename.

The name of the file in hand tells what was meant by it: `.NAME.EXPECTED-NEW.XXXXXXXX.swap`, two hashes. A saver that is
killed between looking and putting back leaves it there, and `recover_interrupted_swaps` does the rest.

A program that writes in place, rather than by renaming, may have opened the file before the swap and write after it.
The kernel refuses a read lease (`man 2 fcntl`, F_SETLEASE) on a file that anybody has open for writing, which tells.
While one is held, programs that are about to open it for writing wait, which tells too.

Until what was displaced has been looked at, the new file may have to go again. So others must not read it yet, and then
write what they made of it over what is put back. A write lease makes them wait for these microseconds. Whoever had come
to read is then given what was displaced. Where there are no leases (NFS, another user's file), and where the saver is
killed just then, such a reader can overwrite what it never saw.

What no saver can prevent: a program that read the file before a swap, and afterwards writes what it made of that,
overwrites the edit in between. Such an edit is in the history, see `history`.

Savers of this program also take turns, so that two of them never swap at once. Other programs take no turns: against
them the exchange alone helps, as it does where a cluster's file system drops locks.
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
"""File systems whose refusal of a lease means a writer; that of NFS may mean that the server gave no delegation."""
_MAX_RESTORE_SWAPS = 50
"""Files that others may put there, one in place of the other, while one of them is put back."""


_LOCK_TIMEOUT = 5.0
"""Seconds to wait for a turn; a saver that was halted in the middle of its own must not hold up the others."""


@contextlib.contextmanager
def hold_save_lock(lock: Path) -> Iterator[bool]:
    """Wait for the other savers that use the file `lock`; whether it is known that none is at work now."""
    fd, mine = None, False
    with contextlib.suppress(OSError):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        limit = time.monotonic() + _LOCK_TIMEOUT
        while fd is not None and time.monotonic() < limit:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
                break
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                break
        yield mine
    finally:
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def find_read_only(path: Path) -> Path | None:
    """The file at `path` or its folder, where it is read-only for this user. A rename would pass over a file's mode.

    A name that is missing while another program renames a file to it forbids nothing.
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
    """What a file holds, and whether somebody has it open for writing, so that more may come.

    Raises:
        OSError: it cannot be read.
    """
    with _read_under_lease(path) as (found, busy, _):
        return found, busy


@contextlib.contextmanager
def _read_under_lease(path: Path) -> Iterator[tuple[bytes, bool, int]]:
    """As `read_with_writer_check`, and the inode; until it is left, the kernel lets nobody else open the file for
    writing, if it can.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        busy = not _take_lease(fd, fcntl.F_RDLCK)
        yield file.read(), busy, os.fstat(fd).st_ino


def compare_and_swap(path: Path, data: bytes, expected: bytes) -> bool:
    """Put `data`, durably, at `path`, if `expected` stands there. Mode, owner and extended attributes are kept.

    Returns:
        Whether it stands there now; if not, what others put there does.

    Raises:
        OSError: the file is as it was or, where only the folder could not be synced, replaced whole.
    """
    hand, new = _write_swap_file(path, data, expected)
    try:
        with _write_lease(new):
            return _swap_and_verify(hand, path, new, data, expected)
    except BaseException:
        # After an exchange the file in hand may be somebody else's: it stays for `mend`.
        with contextlib.suppress(OSError):
            if _digest(hand.read_bytes()) in (_digest(data), _digest(expected)):
                hand.unlink()
        raise


def _swap_and_verify(swap_file: Path, path: Path, new_file: BinaryIO, data: bytes, expected: bytes) -> bool:
    with _read_under_lease(path) as (found, busy, inode):
        if busy or found != expected:
            swap_file.unlink()
            return False
        if not _exchange(swap_file, path):
            swap_file.replace(path)
            _release_lease(new_file)
            durable.sync_folder(path.parent)
            return True
        # The quick look comes first: others wait for it.
        stands = swap_file.stat().st_ino == inode and read_with_writer_check(swap_file) == (expected, False)
        if stands:
            _release_lease(new_file)
            durable.sync_folder(path.parent)
            # By now whoever had found the file under its name before the exchange has opened it.
            stands = read_with_writer_check(swap_file) == (expected, False)
        if not stands:
            _restore_displaced(swap_file, path, new_file, data)
            durable.sync_folder(path.parent)
        swap_file.unlink(missing_ok=True)
        return stands


def _write_swap_file(path: Path, data: bytes, expected: bytes) -> tuple[Path, BinaryIO]:
    """A synced file with `data` beside `path`, under a name that tells what is meant by it; and that file, open."""
    before = path.stat()
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary, new = Path(name), os.fdopen(fd, "r+b")
    try:
        _copy_attributes(path, fd, before)
        new.write(data)
        new.flush()
        os.fsync(fd)
        # Only a whole file bears this name, so that what others wrote is never taken for a torn one of ours.
        swap = f".{path.name}.{_digest(expected)}-{_digest(data)}.{secrets.token_hex(4)}.swap"
        return temporary.rename(path.with_name(swap)), new
    except BaseException:
        _release_lease(new)
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _write_lease(new_file: BinaryIO) -> Iterator[None]:
    """Others who open the file wait, if the kernel can make them, until this is left or the file is released."""
    _take_lease(new_file.fileno(), fcntl.F_WRLCK)
    try:
        yield
    finally:
        _release_lease(new_file)


def _release_lease(new_file: BinaryIO) -> None:
    if not new_file.closed:
        # What it holds was synced before; and a process that is just being forked may have it open for a moment more.
        with contextlib.suppress(OSError):
            fcntl.fcntl(new_file.fileno(), fcntl.F_SETLEASE, fcntl.F_UNLCK)
        with contextlib.suppress(OSError):
            new_file.close()


def recover_interrupted_swaps(path: Path) -> None:
    """Clear up after savers that were killed, which must not be at work any more. What others wrote is kept.

    Raises:
        OSError: the folder cannot be read or written to.
    """
    durable.remove_temporary_files(path.parent, [path.name])
    for hand in sorted(path.parent.glob(f".{path.name}.*.swap")):
        meant = _SWAP_FILE_NAME.fullmatch(hand.name)
        if not meant or meant["name"] != path.name:
            continue
        standing = _digest(path.read_bytes())
        if _digest(hand.read_bytes()) in (meant["expected"], meant["new"], standing):
            hand.unlink()
        elif standing != meant["new"]:
            _keep_as_other_file(hand, path)
        else:
            # It looked at what it had displaced, which was somebody else's, and did not come to put it back.
            _exchange(hand, path)
            if _digest(hand.read_bytes()) == meant["new"]:
                hand.unlink()
            else:
                _keep_as_other_file(hand, path)
        durable.sync_folder(path.parent)


def _restore_displaced(swap_file: Path, path: Path, new_file: BinaryIO, data: bytes) -> None:
    """Put back what was displaced by `data`, and what is displaced by that if it is newer than `data`."""
    theirs, put = swap_file.read_bytes(), swap_file.stat().st_ino
    _exchange(swap_file, path)
    if not new_file.closed:
        # Whoever waits to read it is to see what stands now.
        data = theirs
        new_file.seek(0)
        new_file.write(theirs)
        new_file.truncate()
        _release_lease(new_file)
    if read_with_writer_check(swap_file) == (data, False):
        return
    for _ in range(_MAX_RESTORE_SWAPS):
        newer = swap_file.stat().st_ino
        _exchange(swap_file, path)
        if swap_file.stat().st_ino == put:
            break
        put = newer
    _keep_as_other_file(swap_file, path)


def _keep_as_other_file(swap_file: Path, path: Path) -> None:
    """Keep, beside the file, what one of two others wrote within the same instant."""
    swap_file.rename(path.with_name(f"{path.name}.{_digest(swap_file.read_bytes())[:12]}.other"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _copy_attributes(path: Path, fd: int, old_stat: os.stat_result) -> None:
    """Give a new file the owner, the mode and the extended attributes (access lists too) of the one at `path`."""
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
    """Take a lease, which ends with the descriptor; False where somebody has the file open.

    Args:
        kind: `F_RDLCK` minds and holds up those who write, `F_WRLCK` also those who read.
    """
    try:
        # Should somebody want to open it meanwhile, a signal is sent; this one nobody minds.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
    except OSError as error:
        return error.errno != errno.EAGAIN or _file_system_type(os.fstat(fd).st_dev) not in _LEASE_FILE_SYSTEMS
    return True


def _file_system_type(device: int) -> str:
    """The kind of a mounted file system, such as ext4; "" where it is not known."""
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
    """Swap two names at once; False where this system or file system cannot."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED_ERRNOS:
        return False
    raise OSError(code, os.strerror(code), os.fspath(b))
