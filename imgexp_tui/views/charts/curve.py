"""Builds a metric's curve in bounded memory, with its extremes, for drawing at any width.

A bucket holds 1, 2, 4, 8, … steps, so its edges never move while a run grows: a new step changes the last bucket only,
and a drawn curve changes in its last cells only. Each bucket keeps its lowest and its highest value.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, Metric, MetricTable
from imgexp_tui.text import clean_line

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.run_state import Series

MAX_BUCKETS = 1024
"""Most buckets of a curve; where more are needed, the size of the buckets doubles."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run up to the latest step.

    Attributes:
        entry: what the table of metrics says of it.
        bucket_size: steps in a bucket; the first bucket begins with step 1.
        lows, highs: lowest and highest value per bucket; nan for a bucket without a finite value.
        non_finite: per bucket, 1 where a value was not finite.
        last_step: the latest step.
        last_value: the latest value; may be nan or infinite.
        best: the best finite value and its step; None without one.
        value_range: the lowest and the highest finite value; None without one.
    """

    entry: Metric
    bucket_size: int
    lows: array[float]
    highs: array[float]
    non_finite: bytes
    last_step: int
    last_value: float
    best: tuple[float, int] | None
    value_range: tuple[float, float] | None

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.entry.name

    @property
    def title(self) -> str:
        """The metric's name as a heading: "train loss" for `train/loss`."""
        return clean_line(self.metric.replace("/", " "))


class CurveBuilder:
    """Builds the curve of one growing series, from new values only.

    Args:
        metric: the series' name.
        metrics: the lab's table, which says what its best is.
    """

    def __init__(self, metric: str, metrics: MetricTable = DEFAULT_METRICS) -> None:
        self._metric = metrics[metric]
        self._higher_is_better = self._metric.goal_or_lower is Goal.HIGHER
        self._series: Series | None = None
        self._reset()

    def _reset(self) -> None:
        self._bucket_size = 1
        self._lows: array[float] = array("d")
        self._highs: array[float] = array("d")
        self._non_finite = bytearray()
        self._best: tuple[float, int] | None = None
        self._low, self._high = math.inf, -math.inf
        self._count = 0
        self._curve: Curve | None = None

    @property
    def curve(self) -> Curve | None:
        """The curve as of the last `update`; None without values."""
        return self._curve

    def update(self, series: Series) -> Curve | None:
        """Add the new values of `series`, and return the curve; None without values.

        Returns the same object where nothing was added. A resumed run goes back in steps and the series is truncated;
        then the curve is built again from the start.
        """
        steps, values = series.steps, series.values
        rewound = self._curve and (len(steps) < self._count or steps[self._count - 1] != self._curve.last_step)
        if rewound or self._series is not series:
            self._series = series
            self._reset()
        if len(steps) == self._count:
            return self._curve
        self._add_values(steps, values)
        self._count = len(steps)
        self._curve = Curve(
            self._metric, self._bucket_size, self._lows[:], self._highs[:], bytes(self._non_finite), steps[-1],
            values[-1],
            self._best, None if self._best is None else (self._low, self._high),
        )  # fmt: skip
        return self._curve

    def _add_values(self, steps: array[int], values: array[float]) -> None:
        """Add the new values to their buckets, after making buckets up to the last step, which is the highest."""
        while max(0, steps[-1] - 1) // self._bucket_size >= MAX_BUCKETS:
            self._merge_buckets()
        self._add_buckets(max(0, steps[-1] - 1) // self._bucket_size + 1)
        size, lows, highs, finite = self._bucket_size, self._lows, self._highs, math.isfinite
        best = None if self._best is None else self._best[0]
        for i in range(self._count, len(steps)):
            value, at = values[i], max(0, steps[i] - 1) // size
            if not finite(value):
                self._non_finite[at] = 1
                continue
            if not lows[at] <= value:  # true for nan, in an empty bucket, too
                lows[at] = value
            if not highs[at] >= value:
                highs[at] = value
            if best is None or (value > best if self._higher_is_better else value < best):
                best = value
                self._best = (value, steps[i])
            if value < self._low:
                self._low = value
            if value > self._high:
                self._high = value

    def _add_buckets(self, count: int) -> None:
        more = count - len(self._lows)
        if more > 0:
            self._lows.extend([math.nan] * more)
            self._highs.extend([math.nan] * more)
            self._non_finite.extend(bytes(more))

    def _merge_buckets(self) -> None:
        """Merge neighbouring buckets in pairs."""
        self._bucket_size *= 2
        self._lows = array("d", _merge_pairs(self._lows, min))
        self._highs = array("d", _merge_pairs(self._highs, max))
        if len(self._non_finite) % 2:
            self._non_finite.append(0)
        self._non_finite = bytearray(a | b for a, b in zip(self._non_finite[::2], self._non_finite[1::2], strict=True))


def _merge_pairs(values: array[float], choose: Callable[[Iterable[float]], float]) -> list[float]:
    out = []
    for i in range(0, len(values), 2):
        pair = [v for v in values[i : i + 2] if not math.isnan(v)]
        out.append(choose(pair) if pair else math.nan)
    return out
