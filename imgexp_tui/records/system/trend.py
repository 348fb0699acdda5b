"""Finds out whether a gauge grows, at which rate, and since when it is level. Uses a fixed amount of memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_MAX_POINTS = 256
"""Points that are kept; when there are twice as many, each two are joined."""
_MAX_PAIRED_POINTS = 48
"""Points whose pairs give a rate: a thousand pairs are enough, and are sorted in a millisecond."""
_MIN_POINTS, _MIN_SECONDS = 12, 60.0
"""Points and seconds from which there is a summary."""
_TOLERANCE_SHARE, _TOLERANCE_BYTES = 0.01, 16.0 * 1024 * 1024
"""A gauge is level while it stays within this share of its highest value, or within these bytes: allocators release
and take that much in any steady program."""
_ON_LEVEL_SHARE = 0.002
"""A value within this share of a level is on that level."""
_MIN_LEVEL_SHARE = 0.25
"""The share of the whole time that a level end has to last."""


@dataclass(frozen=True, slots=True)
class TrendSummary:
    """How a gauge changed over time.

    Attributes:
        rate: units a second while it grew or fell; 0 where it was always level.
        level_since: the time since which it is level; None where it is not.
    """

    rate: float
    level_since: float | None


class Trend:
    """Means over equal spans of time, whose length doubles when there are too many of them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: list[float] = []
        self._counts: list[int] = []
        self._point_seconds = 1.0
        self._cached_summary: tuple[int, TrendSummary | None] = (0, None)
        self._sample_count = 0

    def copy(self) -> Trend:
        """A trend of the same samples that goes on by itself."""
        clone = Trend()
        clone._times, clone._values, clone._counts = self._times[:], self._values[:], self._counts[:]
        clone._point_seconds, clone._sample_count = self._point_seconds, self._sample_count
        clone._cached_summary = self._cached_summary
        return clone

    def clear(self) -> None:
        """Forget all samples."""
        self._times, self._values, self._counts, self._point_seconds = [], [], [], 1.0

    def add(self, time: float, value: float) -> None:
        """Add a sample: seconds, and a value. A clock that was set back starts the trend again."""
        if self._times and time < self._times[-1]:
            self.clear()
        self._sample_count += 1
        if self._times and time - self._times[-1] < self._point_seconds:
            count = self._counts[-1]
            self._values[-1] += (value - self._values[-1]) / (count + 1)
            self._counts[-1] = count + 1
            return
        self._times.append(time)
        self._values.append(value)
        self._counts.append(1)
        if len(self._times) >= 2 * _MAX_POINTS:
            self._merge_pairs()

    def summary(self) -> TrendSummary | None:
        """How the gauge changed; None before that is known."""
        if self._cached_summary[0] != self._sample_count:
            self._cached_summary = (self._sample_count, self._compute_summary())
        return self._cached_summary[1]

    def _merge_pairs(self) -> None:
        pairs = range(0, len(self._times) - 1, 2)
        counts = [self._counts[i] + self._counts[i + 1] for i in pairs]
        self._values = [
            (self._values[i] * self._counts[i] + self._values[i + 1] * self._counts[i + 1]) / count
            for i, count in zip(pairs, counts, strict=True)
        ]
        self._times, self._counts = [self._times[i] for i in pairs], counts
        self._point_seconds *= 2

    def _compute_summary(self) -> TrendSummary | None:
        times, values = self._times, self._values
        if len(times) < _MIN_POINTS or times[-1] - times[0] < _MIN_SECONDS:
            return None
        leeway = max(_TOLERANCE_BYTES, _TOLERANCE_SHARE * max(values))
        first = self._level_start(leeway)
        if first is not None and abs(values[first] - values[0]) <= leeway:
            return TrendSummary(0.0, times[0])
        if first is not None:
            return TrendSummary((values[first] - values[0]) / (times[first] - times[0]), times[first])
        half = bisect_left(times, (times[0] + times[-1]) / 2)
        rate = theil_sen_slope(times[half:], values[half:])
        if abs(rate) * (times[-1] - times[half]) <= leeway:  # it swings without growing
            return TrendSummary(0.0, times[0])
        return TrendSummary(rate, None)

    def _level_start(self, tolerance: float) -> int | None:
        """Index of the first point of the longest level end; None where that is short, or still grows or falls."""
        times, values = self._times, self._values
        low = high = values[-1]
        first = len(values) - 1
        while first > 0:
            low, high = min(low, values[first - 1]), max(high, values[first - 1])
            if high - low > 2 * tolerance:
                break
            first -= 1
        lasted = times[-1] - times[first]
        if lasted < _MIN_LEVEL_SHARE * (times[-1] - times[0]):
            return None
        # Slow growth takes long to leave the tolerance; it shows by crossing it from one side to the other.
        return (
            self._refine_level_start(first)
            if abs(theil_sen_slope(times[first:], values[first:])) * lasted <= tolerance
            else None
        )

    def _refine_level_start(self, first: int) -> int:
        """Index from which values are as near to the level as in its second half: growth ends within the tolerance."""
        values = self._values
        tail = values[(first + len(values)) // 2 :]
        middle = median(tail)
        near = max(_ON_LEVEL_SHARE * abs(middle), 1.5 * max(abs(value - middle) for value in tail))
        while first + 1 < len(values) and abs(values[first] - middle) > near:
            first += 1
        return first


def theil_sen_slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Units a second: the median of the slopes between all pairs (Theil and Sen); a few odd values do not move it."""
    step = max(1, len(times) // _MAX_PAIRED_POINTS)
    points = list(zip(times[::step], values[::step], strict=True))
    slopes = [(v - u) / (t - s) for i, (s, u) in enumerate(points) for t, v in points[i + 1 :] if t > s]
    return median(slopes) if slopes else 0.0
