"""Exceptions that end a training early and are not bugs."""

from __future__ import annotations


class TrainingError(Exception):
    """Training cannot continue; the message is one sentence for the user, with the error and its fix."""


class PeerLost(Exception):
    """Another process of this run has ended; that process reports why."""


class StopRequested(BaseException):
    """The trainer received a signal to stop.

    It can be raised anywhere, and is not an `Exception`: libraries that catch every one must not swallow it.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
