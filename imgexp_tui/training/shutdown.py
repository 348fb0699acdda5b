"""Being asked to end: SIGTERM (and Ctrl-C) as something that the loop looks at between two steps.

Before there is anything to save the signal ends the work at once; from `defer` on it only leaves a mark, so that
no step is torn in the middle and the checkpoint that follows is whole.
"""

from __future__ import annotations

import signal
from types import FrameType

from imgexp_tui.training.errors import StopRequested


class StopSignal:
    """Whether SIGTERM or SIGINT has come.

    Attributes:
        signum: the signal that came; None as long as none has.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._deferred = False

    def install(self) -> None:
        """Take the two signals over. Call it early: importing torch alone takes seconds."""
        signal.signal(signal.SIGTERM, self._handle_signal)
        signal.signal(signal.SIGINT, self._handle_signal)

    def defer(self) -> None:
        """From now on a signal waits for `raise_if_stopped`."""
        self._deferred = True
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raises Stopped where a signal has come."""
        if self.signum is not None:
            raise StopRequested(self.signum)

    def _handle_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is not None:  # a second one would tear what the first has begun
            return
        self.signum = signum
        if not self._deferred:
            raise StopRequested(signum)
