"""Counts how long a gauge read what, in a fixed amount of memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

_MAX_SAMPLE_SECONDS = 30.0
"""The most seconds that one sample counts for: nothing is known of a gap in the samples."""


class UtilizationHistogram:
    """Seconds spent at each whole percent of a gauge that reads 0 to 100.

    Attributes:
        total_seconds: all of them.
    """

    def __init__(self) -> None:
        self.total_seconds = 0.0
        self._seconds_at = array("d", bytes(8 * 101))

    def copy(self) -> UtilizationHistogram:
        """A histogram of the same seconds that goes on by itself."""
        clone = UtilizationHistogram()
        clone.total_seconds, clone._seconds_at = self.total_seconds, self._seconds_at[:]
        return clone

    def add(self, percent: float, seconds: float) -> None:
        """Add a sample: the gauge read `percent` for so many `seconds` since the sample before."""
        if math.isfinite(percent) and seconds > 0:
            seconds = min(seconds, _MAX_SAMPLE_SECONDS)
            self._seconds_at[round(min(100.0, max(0.0, percent)))] += seconds
            self.total_seconds += seconds

    def share_above(self, percent: int) -> float:
        """Share of the time, 0 to 1, in which it read more than `percent`."""
        return sum(self._seconds_at[percent + 1 :]) / self.total_seconds if self.total_seconds else 0.0

    def quantile(self, share: float) -> int:
        """The percent that it did not exceed in this `share`, 0 to 1, of the time."""
        target_seconds = share * self.total_seconds
        for percent, so_far in enumerate(self._cumulative_seconds()):
            if so_far >= target_seconds and so_far > 0:
                return percent
        return 100

    def _cumulative_seconds(self) -> Iterator[float]:
        total = 0.0
        for seconds in self._seconds_at:
            total += seconds
            yield total
