"""Sends signals to processes, never to another process that has reused the pid."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

from imgexp_tui.records.process_identity import ProcessIdentity

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def send_signals(target: ProcessIdentity, *signals: signal.Signals) -> bool:
    """Sends `signals` in this order; returns False, and sends nothing, if the process has ended.

    It opens a pidfd first and checks the identity afterwards: from then on the pidfd cannot refer to another process
    (man 2 pidfd_open).
    """
    if not target.is_on_this_host or not target.is_alive():
        return False
    try:
        fd = os.pidfd_open(target.pid)
    except ProcessLookupError:
        return False
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return _send_by_pid(target, *signals)
    try:
        if not target.is_alive():
            return False
        for signum in signals:
            signal.pidfd_send_signal(fd, signum)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _send_by_pid(target: ProcessIdentity, *signals: signal.Signals) -> bool:
    """Sends by pid, for kernels older than 5.3 and sandboxes without pidfd."""
    try:
        for signum in signals:
            if not target.is_alive():
                return False
            os.kill(target.pid, signum)
    except ProcessLookupError:
        return False
    return True


def signal_name(signum: int) -> str:
    """Returns the name of a signal, such as "SIGKILL"."""
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"SIG{signum}"


def become_subreaper() -> None:
    """Makes this process adopt every orphan below it (man 2 prctl), also one that has called setsid."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Asks the kernel to send this process SIGTERM when its parent dies (man 2 prctl); call between fork and exec."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
