"""The app's own log: tracebacks of errors that the app, a command or a supervisor survived or failed with.

One file for all processes of a user, `app.log` in the state folder, private, at most `_MAX_BYTES` long; older entries
are in `app.log.1` and `app.log.2`. Each entry is written under a file lock, in one `write` to a file opened for
appending, so that entries of several processes neither mix nor get lost when the file is rotated
(`logging.handlers.RotatingFileHandler` is not made for several processes). Nothing is imported or opened before there
is something to log. Whatever fails here, such as a read-only home or a full disk, is ignored: then there is no entry.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from imgexp_tui.paths import state_home
from imgexp_tui.text import clean, clean_line

_MAX_BYTES = 256 * 1024
_BACKUPS = 2
_MAX_ENTRY = 32 * 1024
"""Characters of one entry; of a longer one the middle is left out."""
_REPEAT_INTERVAL = 600.0
"""Seconds before a process writes an entry that it has written already: a poll may fail every second."""
_LOCK_TIMEOUT, _LOCK_INTERVAL = 0.5, 0.01
"""Seconds to wait for another process's entry. After that, and on file systems without locks, it goes without."""

_written: dict[str, float] = {}
_thread_lock = threading.Lock()


def log_path() -> Path:
    """The file that the newest entries are in; it need not exist."""
    return state_home() / "app.log"


def log_error(what: str, error: BaseException) -> None:
    """Log an error that the program survived, with its traceback. Never raises.

    Args:
        what: what failed, as one line.
    """
    try:
        with _thread_lock:
            _log(what, error)
    except Exception:  # noqa: BLE001 - the log must not break what it reports on
        return


def log_uncaught() -> None:
    """Log the errors that end this process or one of its threads too, in addition to what is done with them now."""
    end_process, end_thread = sys.excepthook, threading.excepthook

    def process_hook(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        if isinstance(error, Exception):
            log_error("the process failed", error)
        end_process(kind, error, frames)

    def thread_hook(failure: threading.ExceptHookArgs) -> None:
        if isinstance(failure.exc_value, Exception):
            log_error(f"the thread {failure.thread.name if failure.thread else '?'} ended", failure.exc_value)
        end_thread(failure)

    sys.excepthook, threading.excepthook = process_hook, thread_hook


def _log(what: str, error: BaseException) -> None:
    import traceback

    body = clean("".join(traceback.format_exception(error))).rstrip().replace("\n", "\n  ")
    if len(body) > _MAX_ENTRY:
        body = f"{body[: _MAX_ENTRY // 2]}\n  …\n  {body[-_MAX_ENTRY // 2 :]}"
    entry = f"{clean_line(what)}\n  {body}\n"
    now = time.monotonic()
    if now - _written.get(entry, -_REPEAT_INTERVAL) < _REPEAT_INTERVAL:
        return
    if len(_written) >= 100:
        _written.clear()
    _written[entry] = now
    head = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {clean_line(Path(sys.argv[0]).name)}[{os.getpid()}]: "
    _append((head + entry).encode("utf-8", "replace"))


def _append(entry: bytes) -> None:
    """Append one entry, and rotate the files first if it would make the newest too long.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path = log_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _file_lock(path.with_name("app.log.lock")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size + len(entry) > _MAX_BYTES:
                for number in range(_BACKUPS, 0, -1):
                    newer = path.with_name(f"app.log.{number - 1}") if number > 1 else path
                    with contextlib.suppress(FileNotFoundError):
                        newer.replace(path.with_name(f"app.log.{number}"))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, entry)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file, or go on without it after `_LOCK_TIMEOUT`.

    Raises:
        OSError: the lock file cannot be made.
    """
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while time.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_INTERVAL)
            except OSError:
                break
            else:
                break
        yield
    finally:
        os.close(fd)
