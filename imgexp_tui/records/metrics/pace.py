"""How fast a run trains and for how long it has, from the times of its lines."""

from __future__ import annotations

_PAUSE, _TIMES = 600.0, 10.0
"""A gap between two lines is no training but a clock set forward, or a machine asleep, where it is longer than so many
seconds and than so many times the longest before it."""


class Pace:
    """Seconds a step, from the times of the lines; a clock that is set forward or back in between does not count."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._longest = self._seconds = 0.0
        self._steps = 0

    def add(self, step: int, moment: float) -> None:
        """A line."""
        before, self._last = self._last, (step, moment)
        if before is None:
            return
        steps, gap = step - before[0], moment - before[1]
        if steps < 0 or gap < 0:
            return
        if gap <= max(_PAUSE, _TIMES * self._longest):
            self._steps += steps
            self._seconds += gap
        self._longest = max(self._longest, gap)

    @property
    def seconds(self) -> float | None:
        """A step takes so long, validation included; None before that is known."""
        return self._seconds / self._steps if self._steps else None


class Clock:
    """Seconds spent in training, from the times of the lines; breaks and a clock that is set do not count."""

    def __init__(self, seconds: float = 0.0, longest: float = 0.0, last: float | None = None) -> None:
        self.seconds = seconds
        self._longest = longest
        self._last = last

    def add(self, moment: float) -> None:
        """A line."""
        gap = 0.0 if self._last is None else moment - self._last
        self._last = moment
        if 0 < gap <= max(_PAUSE, _TIMES * self._longest):
            self.seconds += gap
            self._longest = max(self._longest, gap)

    def rest(self) -> None:
        """What comes next belongs to another attempt: the time between them is a break."""
        self._last = None
