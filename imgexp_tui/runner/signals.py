"""Signals that reach the process that is meant, and no other that has got its pid since."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

from imgexp_tui.records.process_identity import ProcessIdentity

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def send_signals(target: ProcessIdentity, *signals: signal.Signals) -> bool:
    """Send `signals` in this order; False where the process has ended (nothing is sent then).

    A pidfd is opened first and the identity checked after: from then on it cannot come to mean another process
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
    """For kernels older than 5.3, and sandboxes that have no pidfd."""
    try:
        for signum in signals:
            if not target.is_alive():
                return False
            os.kill(target.pid, signum)
    except ProcessLookupError:
        return False
    return True


def signal_name(signum: int) -> str:
    """Such as "SIGKILL"."""
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"SIG{signum}"


def become_subreaper() -> None:
    """Make every process below this one its child when its own parent ends (man 2 prctl), also after a setsid."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have this process sent SIGTERM when its parent dies (man 2 prctl); to be called between fork and exec."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
