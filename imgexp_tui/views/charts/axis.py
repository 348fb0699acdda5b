"""Computes a chart's axes: positions of values on a linear or logarithmic scale, round limits, and labelled ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imgexp_tui.records.metrics.metric import Metric
from imgexp_tui.text import format_duration

_TIME_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
    172800,
    604800,
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic scale from `low` to `high`; a logarithmic one has positive values only."""

    low: float
    high: float
    log: bool = False

    def fraction(self, value: float) -> float:
        """The position of a value: 0 at the low end, 1 at the high end, outside this range beyond them.

        nan for a value that is not positive on a logarithmic scale.
        """
        if self.log:
            if value <= 0 or self.low <= 0:
                return math.nan
            span = math.log(self.high / self.low)
            return math.log(value / self.low) / span if span else 0.5
        span = self.high - self.low
        return (value - self.low) / span if span else 0.5

    def value_at(self, fraction: float) -> float:
        """The value at a position, the inverse of `fraction`."""
        if self.log and self.low > 0:
            return float(self.low * (self.high / self.low) ** fraction)
        return self.low + (self.high - self.low) * fraction

    def ticks(self, max_count: int, *, whole_numbers: bool = False, as_times: bool = False) -> list[float]:
        """Round values on the scale, ascending, at most `max_count` where the scale allows it.

        Args:
            whole_numbers: return whole numbers only.
            as_times: the values are seconds; use steps of clock times, such as 15 min.
        """
        if self.log and self.low > 0:
            ticks = self._log_ticks(max_count)
            if len(ticks) > 1:
                return ticks
        span = self.high - self.low
        if span <= 0 or max_count < 1 or not math.isfinite(span):
            return [self.low]
        step = _round_step(span, max_count)
        if whole_numbers:
            step = max(1.0, step)
        if as_times and span > 5:
            step = float(
                next((t for t in _TIME_STEPS if span / t <= max_count), 604800 * _round_step(span / 604800, max_count))
            )
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]

    def _log_ticks(self, max_count: int) -> list[float]:
        low, high = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        every = max(1, -(-(high - low + 1) // max(1, max_count)))
        powers = [10.0**i for i in range(low, high + 1, every)]
        finer = [m * 10.0**i for i in range(low - 1, high + 1) for m in (1, 2, 5)]
        finer = [value for value in finer if self.low <= value * (1 + 1e-9) and value <= self.high * (1 + 1e-9)]
        return finer if len(powers) < 3 and 1 < len(finer) <= max_count else powers


def _round_step(span: float, max_count: int) -> float:
    """The smallest round step that fits into a span at most `max_count` times."""
    power = 10.0 ** math.floor(math.log10(span / max_count))
    return next(power * m for m in (1, 2, 5, 10, 20) if span / (power * m) <= max_count)


def rounded_scale(low: float, high: float, *, log: bool) -> Scale:
    """A scale from `low` to `high`, widened to round limits that seldom change while a run grows."""
    if log and low > 0:
        # Tenths of a decade are close to the values and seldom change.
        low, high = (
            10 ** (round_to(math.log10(v) * 10) / 10) for round_to, v in ((math.floor, low), (math.ceil, high))
        )
        return Scale(low, high if high > low else low * 10, log=True)
    span = high - low
    if span <= 0:
        span = abs(high) / 5 or 1.0
        low, high = low - span / 2, high + span / 2
    step = _round_step(span, 12)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def rounded_end(end: float) -> float:
    """A round end of an axis from 0 that a growing run seldom exceeds; at least eight ninths of the axis are used."""
    if end <= 0:
        return 1.0
    unit = 2.0 ** (math.ceil(math.log2(end)) - 4)
    return math.ceil(end / unit - 1e-9) * unit


def format_tick(value: float, metric: Metric) -> str:
    """Format a tick of the y axis; in percent where the metric is."""
    if (share := metric.format_share(value, ".4g")) is not None:
        return share
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"


def format_x_tick(value: float, axis: str) -> str:
    """Format a tick of the x axis; times as durations."""
    if axis == "time":
        return format_duration(value) if value >= 1 or value == 0 else f"{value:.2g}s"
    if axis == "epoch":
        return f"{value:.6g}"
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-6 else f"{value:.4g}"
