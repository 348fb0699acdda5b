"""How fast a run trains and for how long it has, from the times of its lines."""

from __future__ import annotations

_MAX_GAP_SECONDS, _MAX_GAP_FACTOR = 600.0, 10.0
"""A gap between two lines is no training but a clock set forward, or a machine asleep, where it is longer than so many
seconds and than so many times the longest before it."""


class Pace:
    """Seconds a step, from the times of the lines; a clock that is set forward or back in between does not count."""

    def __init__(self) -> None:
        self._last_line: tuple[int, float] | None = None
        self._longest_gap = self._seconds = 0.0
        self._steps = 0

    def add(self, step: int, timestamp: float) -> None:
        """A line."""
        before, self._last_line = self._last_line, (step, timestamp)
        if before is None:
            return
        steps, gap = step - before[0], timestamp - before[1]
        if steps < 0 or gap < 0:
            return
        if gap <= max(_MAX_GAP_SECONDS, _MAX_GAP_FACTOR * self._longest_gap):
            self._steps += steps
            self._seconds += gap
        self._longest_gap = max(self._longest_gap, gap)

    @property
    def seconds_per_step(self) -> float | None:
        """A step takes so long, validation included; None before that is known."""
        return self._seconds / self._steps if self._steps else None


class TrainingClock:
    """Seconds spent in training, from the times of the lines; breaks and a clock that is set do not count."""

    def __init__(self, seconds: float = 0.0, longest_gap: float = 0.0, last_time: float | None = None) -> None:
        self.seconds = seconds
        self._longest_gap = longest_gap
        self._last_time = last_time

    def add(self, timestamp: float) -> None:
        """A line."""
        gap = 0.0 if self._last_time is None else timestamp - self._last_time
        self._last_time = timestamp
        if 0 < gap <= max(_MAX_GAP_SECONDS, _MAX_GAP_FACTOR * self._longest_gap):
            self.seconds += gap
            self._longest_gap = max(self._longest_gap, gap)

    def skip_break(self) -> None:
        """What comes next belongs to another attempt: the time between them is a break."""
        self._last_time = None
