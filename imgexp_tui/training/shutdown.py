"""Turns SIGTERM and SIGINT (Ctrl-C) into a request to stop, which the loop checks between two steps.

Before there is anything to save, the signal ends the work at once. After `defer` it only sets a flag, so that no step
is interrupted and the checkpoint that follows is consistent.
"""

from __future__ import annotations

import signal
from types import FrameType

from imgexp_tui.training.errors import StopRequested


class StopSignal:
    """The request to stop, by SIGTERM or SIGINT.

    Attributes:
        signum: the signal that was received; None while there is none.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._deferred = False

    def install(self) -> None:
        """Handle the two signals from now on. Call it early: importing torch alone takes seconds."""
        signal.signal(signal.SIGTERM, self._handle_signal)
        signal.signal(signal.SIGINT, self._handle_signal)

    def defer(self) -> None:
        """From now on a signal takes effect in `raise_if_stopped` only."""
        self._deferred = True
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise StopRequested if a signal was received."""
        if self.signum is not None:
            raise StopRequested(self.signum)

    def _handle_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is not None:  # a second one would interrupt the shutdown that the first one began
            return
        self.signum = signum
        if not self._deferred:
            raise StopRequested(signum)
