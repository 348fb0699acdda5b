"""Wakes a supervisor when a child ends or a signal arrives, and stores what the signals requested."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable

from imgexp_tui.runner.queue.queue import WAKE_SIGNAL


class Wakeup:
    """Wakes the supervisor for a child's end and for a request to stop, and lets no signal end it.

    Handlers, unlike SIG_IGN and a blocked mask, are not inherited by the trainer (man 2 execve).

    Attributes:
        stop_requested: somebody asks the run to stop.
        eviction_signal: the signal with which a cluster takes the job back; 0 as long as it does not.

    Args:
        eviction_signals: those that take the job back; of them, SIGTERM then asks for no stop.
    """

    def __init__(self, eviction_signals: Iterable[signal.Signals] = ()) -> None:
        self.stop_requested = False
        self.eviction_signal = 0
        self._read_fd, write_fd = os.pipe()
        for end in (self._read_fd, write_fd):
            os.set_blocking(end, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        for signum in (signal.SIGHUP, signal.SIGCHLD, WAKE_SIGNAL):
            signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop_signal)
        for signum in eviction_signals:
            signal.signal(signum, self._on_eviction_signal)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes, at most `seconds`."""
        select.select([self._read_fd], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read_fd, 4096):
                pass

    def _on_stop_signal(self, *_: object) -> None:
        self.stop_requested = True

    def _on_eviction_signal(self, signum: int, _: object) -> None:
        self.eviction_signal = self.eviction_signal or signum
