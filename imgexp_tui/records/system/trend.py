"""Whether a gauge grows, in a fixed amount of memory however long the run: its rate, and since when it is level."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_MOST = 256
"""Points that are kept; twice as many are made one of two."""
_PAIRED = 48
"""Points whose pairs a rate is taken over: a thousand pairs are enough, and sort in a millisecond."""
_ENOUGH, _SPAN = 12, 60.0
"""Points and seconds before anything is said."""
_SHARE, _LEAST = 0.01, 16.0 * 1024 * 1024
"""A gauge is level while it stays within this share of its highest value, or within these bytes: allocators give back
and take anew that much in any steady program."""
_NEAR = 0.002
"""Share of a level within which a value is on it, however still it stands."""
_LEVEL_SHARE = 0.25
"""Of the whole time, what a level end has to last."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a gauge went.

    Attributes:
        rate: units a second while it grew or fell; 0 where it was level all along.
        level_since: the time from which on it was level; None where it is not.
    """

    rate: float
    level_since: float | None


class Trend:
    """Means over equal stretches of time, which double in length when there are too many of them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: list[float] = []
        self._counts: list[int] = []
        self._width = 1.0
        self._told: tuple[int, Course | None] = (0, None)
        self._samples = 0

    def clear(self) -> None:
        """Forget all samples."""
        self._times, self._values, self._counts, self._width = [], [], [], 1.0

    def add(self, time: float, value: float) -> None:
        """A sample. A clock that was set back starts the trend anew."""
        if self._times and time < self._times[-1]:
            self.clear()
        self._samples += 1
        if self._times and time - self._times[-1] < self._width:
            count = self._counts[-1]
            self._values[-1] += (value - self._values[-1]) / (count + 1)
            self._counts[-1] = count + 1
            return
        self._times.append(time)
        self._values.append(value)
        self._counts.append(1)
        if len(self._times) >= 2 * _MOST:
            self._halve()

    def course(self) -> Course | None:
        """How it went; None before that can be told."""
        if self._told[0] != self._samples:
            self._told = (self._samples, self._course())
        return self._told[1]

    def _halve(self) -> None:
        pairs = range(0, len(self._times) - 1, 2)
        counts = [self._counts[i] + self._counts[i + 1] for i in pairs]
        self._values = [
            (self._values[i] * self._counts[i] + self._values[i + 1] * self._counts[i + 1]) / count
            for i, count in zip(pairs, counts, strict=True)
        ]
        self._times, self._counts = [self._times[i] for i in pairs], counts
        self._width *= 2

    def _course(self) -> Course | None:
        times, values = self._times, self._values
        if len(times) < _ENOUGH or times[-1] - times[0] < _SPAN:
            return None
        leeway = max(_LEAST, _SHARE * max(values))
        first = self._level_from(leeway)
        if first is not None and abs(values[first] - values[0]) <= leeway:
            return Course(0.0, times[0])
        if first is not None:
            return Course((values[first] - values[0]) / (times[first] - times[0]), times[first])
        half = bisect_left(times, (times[0] + times[-1]) / 2)
        rate = slope(times[half:], values[half:])
        if abs(rate) * (times[-1] - times[half]) <= leeway:  # it swings, and goes nowhere
            return Course(0.0, times[0])
        return Course(rate, None)

    def _level_from(self, leeway: float) -> int | None:
        """The first point of the longest level end; None where that is short, or still leads somewhere."""
        times, values = self._times, self._values
        low = high = values[-1]
        first = len(values) - 1
        while first > 0:
            low, high = min(low, values[first - 1]), max(high, values[first - 1])
            if high - low > 2 * leeway:
                break
            first -= 1
        lasted = times[-1] - times[first]
        if lasted < _LEVEL_SHARE * (times[-1] - times[0]):
            return None
        # Slow growth takes long to leave the leeway, and is told by leading from its one side to the other.
        return self._begin_of_level(first) if abs(slope(times[first:], values[first:])) * lasted <= leeway else None

    def _begin_of_level(self, first: int) -> int:
        """Where the values come as near to the level as they stay in its second half: growth ends within the leeway."""
        values = self._values
        tail = values[(first + len(values)) // 2 :]
        middle = median(tail)
        near = max(_NEAR * abs(middle), 1.5 * max(abs(value - middle) for value in tail))
        while first + 1 < len(values) and abs(values[first] - middle) > near:
            first += 1
        return first


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Units a second: the median of the slopes between all pairs (Theil and Sen); a few odd values do not move it."""
    step = max(1, len(times) // _PAIRED)
    points = list(zip(times[::step], values[::step], strict=True))
    found = [(v - u) / (t - s) for i, (s, u) in enumerate(points) for t, v in points[i + 1 :] if t > s]
    return median(found) if found else 0.0
