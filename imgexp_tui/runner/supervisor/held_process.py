"""Forks a process that executes its program only when it is released, after its pid is on disk.

Its parent may be killed between the fork and writing the pid to a file; nobody could find and stop the program then. So
the child first waits on a pipe: one byte makes it execute the program; if its parent dies first, the pipe closes and it
ends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them; a program that is started must not (the same that `subprocess` restores)."""


class HeldProcess:
    """A forked process that waits to execute its program.

    Attributes:
        pid: also the program's.
    """

    def __init__(self, pid: int, release_fd: int, error_fd: int) -> None:
        self.pid = pid
        self._release_fd, self._error_fd = release_fd, error_fd

    def release(self) -> None:
        """Makes it execute the program.

        Raises:
            OSError: the program is not there or may not be run; the process has ended.
        """
        try:
            os.write(self._release_fd, b"!")
        except BrokenPipeError:  # it was killed while it waited; waitpid reports how
            pass
        finally:
            self.cancel()
        with os.fdopen(self._error_fd, "rb") as faults:
            message = faults.read().decode("utf-8", "surrogateescape")
        if message:
            number, _, name = message.partition(" ")
            raise OSError(int(number), os.strerror(int(number)), name)

    def cancel(self) -> None:
        """Makes it end instead."""
        os.close(self._release_fd)


def fork_held(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: int,
    on_fork: Callable[[], None] | None = None,
) -> HeldProcess:
    """Fork a process that waits to become `command`, in a session of its own, its output going to a file descriptor.

    Args:
        on_fork: what it does as soon as it is there.

    Raises:
        OSError: there is no room for a process.
    """
    release_read, release_write = os.pipe()
    error_read, error_write = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        for fd in (release_read, release_write, error_read, error_write):
            os.close(fd)
        raise
    if pid == 0:
        os.close(release_write)
        if on_fork:
            on_fork()
        _wait_and_exec(release_read, error_write, command, cwd, env, output)
    os.close(release_read)
    os.close(error_write)
    return HeldProcess(pid, release_write, error_read)


def _wait_and_exec(
    release_fd: int, error_fd: int, command: Sequence[str], cwd: Path, env: Mapping[str, str], output: int
) -> NoReturn:
    name = command[0]
    try:
        signal.set_wakeup_fd(-1)  # it would wake the parent
        for signum in signal.valid_signals():
            if callable(signal.getsignal(signum)) or signum in _RESTORED_SIGNALS:
                signal.signal(signum, signal.SIG_DFL)
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        for fd in [int(p.name) for p in Path("/proc/self/fd").iterdir()]:
            if fd > 2 and fd not in (release_fd, error_fd):
                _set_close_on_exec(fd)
        if os.read(release_fd, 1):
            name = os.fspath(cwd)
            os.chdir(cwd)
            name = command[0]
            os.execvpe(command[0], list(command), dict(env))
    except OSError as error:
        os.write(error_fd, f"{error.errno} {name}".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(127)


def _set_close_on_exec(fd: int) -> None:
    try:
        os.set_inheritable(fd, False)
    except OSError:  # the one through which the list was read
        return
