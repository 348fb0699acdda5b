"""The records of a run as columns in several parts, so that appending costs the same however long the run is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imgexp_tui.records.metrics.columns import MetricColumns, append_rows, first_void_step
from imgexp_tui.records.metrics.minmax import Floats, Ints, RangeStats
from imgexp_tui.records.metrics.rows import MetricRows

_MAX_PART_ROWS = 1 << 16
"""Rows from which a new part is begun."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """The lowest and the highest finite value, and the steps at which they were first reached."""

    low: float
    low_step: int
    high: float
    high_step: int


class ColumnParts:
    """The records of a run as columns. Every step is in one part; steps rise within a part and from part to part.

    Args:
        parts: the records, oldest first.
        sampled: series beside them whose samples may stand at any step, such as those of the machine.
    """

    def __init__(self, parts: list[MetricColumns] | None = None, sampled: MetricColumns | None = None) -> None:
        self.parts = parts or []
        self.sampled = sampled

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def last_step(self) -> int:
        """The step of the latest record; 0 before one."""
        return int(self.parts[-1].steps[-1]) if self.parts and len(self.parts[-1].steps) else 0

    @property
    def steps(self) -> Ints:
        """The step of every record."""
        return np.concatenate([np.zeros(0, np.int64), *(part.steps for part in self.parts)])

    @property
    def times(self) -> Floats:
        """When each record was written, seconds since 1970; nan where it does not say."""
        return np.concatenate([np.zeros(0), *(part.times for part in self.parts)])

    @property
    def epochs(self) -> Floats:
        """The epoch of each record; nan where it does not say."""
        return np.concatenate([np.zeros(0), *(part.epochs for part in self.parts)])

    @property
    def metric_names(self) -> list[str]:
        """The names in the order in which they first came; then those of `sampled`."""
        all_parts = [*self.parts, *([self.sampled] if self.sampled else [])]
        return list(dict.fromkeys(name for part in all_parts for name in part.series))

    def append(self, rows: MetricRows) -> None:
        """Add the records that follow. Where they go back in steps, what stood there is cut from every part."""
        if not len(rows):
            return
        parts = self.parts
        if parts:
            void = first_void_step(parts[-1], rows)
            parts = [part for part in (part.before_step(void) for part in parts) if len(part.steps)]
        grows = bool(parts) and len(parts[-1].steps) < _MAX_PART_ROWS
        tail = append_rows(parts[-1] if grows else MetricColumns(), rows)
        parts = parts[:-1] if grows else parts
        if parts:
            parts = [*parts[:-1], _without_overlap(parts[-1], tail)]
        self.parts = [*parts, tail]

    def pieces(self, metric: str) -> Iterator[tuple[MetricColumns, Ints, Floats]]:
        """Each part that has a metric, with the metric's steps and values there, in order."""
        for part in (*self.parts, *([self.sampled] if self.sampled else [])):
            if metric in part.series:
                yield part, *part.series[metric]

    def values(self, metric: str) -> tuple[Ints, Floats]:
        """Every step and value of a metric, in order."""
        arrays = [(steps, values) for _, steps, values in self.pieces(metric)]
        if len(arrays) == 1:
            return arrays[0]
        return np.concatenate([np.zeros(0, np.int64), *(s for s, _ in arrays)]), np.concatenate(
            [np.zeros(0), *(v for _, v in arrays)]
        )

    def range_stats(self, metric: str, first: Ints) -> tuple[RangeStats, Floats]:
        """What a metric has between each two of some rising steps, and the latest value there (nan without one)."""
        stats: RangeStats | None = None
        last = np.full(len(first) - 1, np.nan)
        for part, steps, values in self.pieces(metric):
            at = np.searchsorted(steps, first)
            part_stats = part.pyramid(metric).range_stats(at[:-1], at[1:])
            some = at[1:] > at[:-1]
            last[some] = values[at[1:][some] - 1]
            stats = part_stats if stats is None else stats.merged(part_stats)
        if stats is None:
            nothing = np.zeros(len(last))
            stats = RangeStats(last, last, nothing, nothing.astype(np.int64), nothing.astype(np.int64))
        return stats, last

    def nearest_outside(self, metric: str, step: int, *, later: bool) -> tuple[int, float] | None:
        """Step and value of the nearest finite value before a step, or at and after it."""
        pieces = list(self.pieces(metric))
        for _, steps, values in pieces if later else reversed(pieces):
            at = int(np.searchsorted(steps, step))
            near = range(at, min(len(steps), at + 64)) if later else range(at - 1, max(-1, at - 65), -1)
            for i in near:
                if math.isfinite(values[i]):
                    return int(steps[i]), float(values[i])
        return None

    def nearest(self, metric: str, step: float) -> tuple[int, float] | None:
        """Step and value that are nearest to a step; None where the metric has no value."""
        closest: tuple[float, int, float] | None = None
        for _, steps, values in self.pieces(metric):
            at = int(np.searchsorted(steps, step))
            for i in range(max(0, at - 1), min(len(steps), at + 1)):
                one = (abs(float(steps[i]) - step), int(steps[i]), float(values[i]))
                closest = one if closest is None or one[0] < closest[0] else closest
        return closest and closest[1:]

    def extremes(self, metric: str) -> Extremes | None:
        """The lowest and the highest finite value of a metric; None where there are none."""
        low: tuple[float, int] | None = None
        high: tuple[float, int] | None = None
        for _, steps, values in self.pieces(metric):
            fine = np.where(np.isfinite(values), values, np.nan)
            if np.isnan(fine).all():
                continue
            a, b = int(np.nanargmin(fine)), int(np.nanargmax(fine))
            low = (float(values[a]), int(steps[a])) if low is None or values[a] < low[0] else low
            high = (float(values[b]), int(steps[b])) if high is None or values[b] > high[0] else high
        return Extremes(*low, *high) if low and high else None


def _without_overlap(part: MetricColumns, following: MetricColumns) -> MetricColumns:
    """A part without the values that the next part repeats for the step at which they meet."""
    metrics = dict(part.series)
    levels = dict(part.levels)
    for name, (steps, values) in part.series.items():
        if name in following.series and steps[-1] == following.series[name][0][0]:
            metrics[name] = (steps[:-1], values[:-1])
            levels.pop(name, None)
            if len(steps) == 1:
                del metrics[name]
    end = len(part.steps) - int(part.steps[-1] == following.steps[0])
    return MetricColumns(part.steps[:end], part.epochs[:end], part.times[:end], metrics, levels)
