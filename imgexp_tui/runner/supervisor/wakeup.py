"""What wakes a supervisor, and what it was asked by signals."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from imgexp_tui.runner.queue.queue import WAKE


class Bell:
    """Wakes the supervisor for a child's end and for a request to stop, and lets nothing else end it.

    Handlers, unlike SIG_IGN and a blocked mask, are not handed down to the trainer (man 2 execve).

    Attributes:
        stop_asked: somebody asks the run to stop.
        taken: the signal with which Slurm takes the job back; 0 as long as it does not.
    """

    def __init__(self, *, in_job: bool = False) -> None:
        self.stop_asked = False
        self.taken = 0
        self._ear, mouth = os.pipe()
        for end in (self._ear, mouth):
            os.set_blocking(end, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        for signum in (signal.SIGHUP, signal.SIGCHLD, WAKE):
            signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._ask_to_stop)
        if in_job:
            for signum in (signal.SIGTERM, signal.SIGUSR2):
                signal.signal(signum, self._take)

    def wait(self, seconds: float) -> None:
        """Until a signal comes, at most this long."""
        select.select([self._ear], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._ear, 4096):
                pass

    def _ask_to_stop(self, *_: object) -> None:
        self.stop_asked = True

    def _take(self, signum: int, _: object) -> None:
        self.taken = self.taken or signum
