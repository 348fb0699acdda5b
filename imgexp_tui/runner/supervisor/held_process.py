"""Starts a program that begins only when it is told to, so that no program runs that no file names.

Between the birth of a process and the file that tells its pid, its parent may be killed. What runs then could be found
and stopped by nobody. So the child waits, still in our own code, at the end of a pipe: one byte lets it become the
program; where its parent dies first the pipe closes, and it ends.
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
    """A process of ours that waits to become a program.

    Attributes:
        pid: also the program's.
    """

    def __init__(self, pid: int, release_fd: int, error_fd: int) -> None:
        self.pid = pid
        self._release_fd, self._error_fd = release_fd, error_fd

    def release(self) -> None:
        """Let it become the program.

        Raises:
            OSError: the program is not there or may not be run; the process has ended.
        """
        try:
            os.write(self._release_fd, b"!")
        except BrokenPipeError:  # it was killed while it waited: whoever waits for it sees how
            pass
        finally:
            self.cancel()
        with os.fdopen(self._error_fd, "rb") as faults:
            told = faults.read().decode("utf-8", "surrogateescape")
        if told:
            number, _, name = told.partition(" ")
            raise OSError(int(number), os.strerror(int(number)), name)

    def cancel(self) -> None:
        """Let it end instead."""
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
    ear, gate = os.pipe()
    faults, told = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        for fd in (ear, gate, faults, told):
            os.close(fd)
        raise
    if pid == 0:
        os.close(gate)
        if on_fork:
            on_fork()
        _wait_and_exec(ear, told, command, cwd, env, output)
    os.close(ear)
    os.close(told)
    return HeldProcess(pid, gate, faults)


def _wait_and_exec(
    release_fd: int, error_fd: int, command: Sequence[str], cwd: Path, env: Mapping[str, str], output: int
) -> NoReturn:
    name = command[0]
    try:
        signal.set_wakeup_fd(-1)  # it would ring our parent's bell
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
