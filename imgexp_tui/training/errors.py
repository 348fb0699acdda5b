"""How training ends before its time, other than by a fault in the code."""

from __future__ import annotations


class TrainingError(Exception):
    """One sentence for the user: what went wrong and the mend."""


class PeerLost(Exception):
    """Another process of this run has ended; what it had to say is said by itself."""


class StopRequested(BaseException):
    """Somebody asked the trainer to end.

    It comes in the middle of anything, and is no `Exception`: libraries that pass over every one must not swallow it.

    Attributes:
        signum: the signal by which it was asked.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
