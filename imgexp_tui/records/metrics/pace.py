"""How fast a run trains and how long it has trained, from the times of its records; and what counts as a pause."""

from __future__ import annotations

MIN_PAUSE_SECONDS = 600.0
"""Seconds up to which no gap between two records is a pause."""
_MIN_PAUSE_FACTOR = 10.0


def is_pause(gap: float, longest_gap: float) -> bool:
    """Whether the time between two records was a pause: a clock set forward, or a machine asleep.

    Args:
        gap: seconds between the two.
        longest_gap: the longest gap before, in seconds. Some runs take long over every record; a pause is more than
            ten times as long.
    """
    return gap > MIN_PAUSE_SECONDS and gap > _MIN_PAUSE_FACTOR * longest_gap


class Pace:
    """Seconds a step, validation included. Pauses, and clocks that are set back, do not count."""

    def __init__(self) -> None:
        self._last_record: tuple[int, float] | None = None
        self._longest_gap = self._seconds = 0.0
        self._steps = 0

    def add(self, step: int, timestamp: float) -> None:
        """Add a record: its step, and its time in seconds."""
        before, self._last_record = self._last_record, (step, timestamp)
        if before is None:
            return
        steps, gap = step - before[0], timestamp - before[1]
        if steps < 0 or gap < 0:
            return
        if gap <= MIN_PAUSE_SECONDS or not is_pause(gap, self._longest_gap):  # the first spares a call a record
            self._steps += steps
            self._seconds += gap
        self._longest_gap = max(self._longest_gap, gap)

    @property
    def seconds_per_step(self) -> float | None:
        """Seconds that a step takes; None before that is known."""
        return self._seconds / self._steps if self._steps else None


class TrainingClock:
    """Seconds spent in training. Pauses, and clocks that are set back, do not count.

    Attributes:
        seconds: so far, over all attempts.
    """

    def __init__(self, seconds: float = 0.0, longest_gap: float = 0.0, last_time: float | None = None) -> None:
        self.seconds = seconds
        self._longest_gap = longest_gap
        self._last_time = last_time

    def add(self, timestamp: float) -> None:
        """Add the time of a record, in seconds."""
        gap = 0.0 if self._last_time is None else timestamp - self._last_time
        self._last_time = timestamp
        if 0 < gap <= MIN_PAUSE_SECONDS or (gap > 0 and not is_pause(gap, self._longest_gap)):
            self.seconds += gap
            self._longest_gap = max(self._longest_gap, gap)

    def skip_break(self) -> None:
        """Leave out the time until the next record: it belongs to another attempt."""
        self._last_time = None
