"""Finds lowest, highest, mean and broken values in any range of a long array, in the time of one frame.

Level k keeps the extremes of each 8**k neighbours. A range is answered from the highest level whose cells lie inside
it, and from the levels below at its two ends. The answer is exact, so that no zoom hides a single value. A value that
is not finite (nan, inf) counts as broken and is in no extreme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FACTOR = 8
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RangeStats:
    """What several ranges hold, an entry for each.

    Attributes:
        low, high: extremes of the finite values; nan where there are none.
        total: sum of the finite values.
        count: the number of values, broken ones included.
        not_finite: the number of values that are not finite.
    """

    low: Floats
    high: Floats
    total: Floats
    count: Ints
    not_finite: Ints

    def merged(self, other: RangeStats) -> RangeStats:
        """Both together, entry by entry."""
        return RangeStats(
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
            self.total + other.total,
            self.count + other.count,
            self.not_finite + other.not_finite,
        )


@dataclass(frozen=True, slots=True)
class Level:
    """Cells of equal length: extremes (nan without a finite value), sum and number of broken values of each."""

    low: Floats
    high: Floats
    total: Floats
    not_finite: npt.NDArray[np.int32]


class MinMaxPyramid:
    """The levels above an array. Each holds whole cells only; the rest at its end is read one level below.

    Args:
        values: the array; it is not copied.
        levels: as `build_levels` made them for the same values.
    """

    def __init__(self, values: Floats, levels: list[Level] | None = None) -> None:
        self.values = values
        self.levels = build_levels(values) if levels is None else levels

    def range_stats(self, starts: Ints, stops: Ints) -> RangeStats:
        """What is in each `values[start:stop]`; nothing where a stop is not after its start."""
        starts, stops = np.asarray(starts, np.int64), np.asarray(stops, np.int64)
        stops = np.maximum(starts, stops)
        sums = _RangeSums(len(starts), stops - starts)
        a, b = starts.copy(), stops.copy()
        for level in range(len(self.levels) + 1):
            top = level == len(self.levels)
            # The next level has whole cells only; values beyond them are read here.
            full_cells = 0 if top else len(self.levels[level].low)
            up_a, up_b = -(-a // FACTOR), np.minimum(b // FACTOR, full_cells)
            rise = up_a < up_b
            left = np.where(rise, up_a * FACTOR, b)
            self._add_cells(sums, level, a, left)
            self._add_cells(sums, level, np.where(rise, up_b * FACTOR, b), b)
            a, b = np.where(rise, up_a, 0), np.where(rise, up_b, 0)
            if not rise.any():
                break
        return sums.stats()

    def _add_cells(self, sums: _RangeSums, level: int, starts: Ints, stops: Ints) -> None:
        """Add the cells `starts:stops` of one level; 0 is the values themselves."""
        lengths = stops - starts
        some = np.flatnonzero(lengths > 0)
        if not len(some):
            return
        lengths = lengths[some]
        ends = np.cumsum(lengths)
        firsts = ends - lengths
        cells = np.arange(ends[-1]) + np.repeat(starts[some] - firsts, lengths)
        if level:
            at = self.levels[level - 1]
            sums.add(some, firsts, at.low[cells], at.high[cells], at.total[cells], at.not_finite[cells])
        else:
            values = self.values[cells]
            fine = np.isfinite(values)
            low = values if fine.all() else np.where(fine, values, np.nan)
            sums.add(some, firsts, low, low, np.where(fine, values, 0.0), ~fine)


class _RangeSums:
    """Adds up what ranges hold, piece by piece."""

    def __init__(self, count: int, lengths: Ints) -> None:
        self._low = np.full(count, np.nan)
        self._high = np.full(count, np.nan)
        self._total = np.zeros(count)
        self._not_finite = np.zeros(count, np.int64)
        self._count = lengths

    def add(
        self,
        ranges: npt.NDArray[np.intp],
        first_cells: Ints,
        low: Floats,
        high: Floats,
        total: Floats,
        not_finite: npt.NDArray[Any],
    ) -> None:
        """Add cells to some `ranges`; those of one range are neighbours and begin at its entry in `first_cells`."""
        self._low[ranges] = np.fmin(self._low[ranges], np.fmin.reduceat(low, first_cells))
        self._high[ranges] = np.fmax(self._high[ranges], np.fmax.reduceat(high, first_cells))
        with np.errstate(over="ignore", invalid="ignore"):
            self._total[ranges] += np.add.reduceat(total, first_cells)
        self._not_finite[ranges] += np.add.reduceat(not_finite.astype(np.int64), first_cells)

    def stats(self) -> RangeStats:
        return RangeStats(self._low, self._high, self._total, self._count, self._not_finite)


def build_levels(values: Floats) -> list[Level]:
    """Every level above `values` that has at least one whole cell."""
    fine = np.isfinite(values)
    if fine.all():
        level = Level(values, values, values, np.zeros(0, np.int32))
    else:
        low = np.where(fine, values, np.nan)
        level = Level(low, low, np.where(fine, values, 0.0), (~fine).astype(np.int32))
    levels: list[Level] = []
    while len(level.low) >= FACTOR:
        level = _next_level(level)
        levels.append(level)
    return levels


def _next_level(level: Level) -> Level:
    full_cells = len(level.low) // FACTOR
    broken = np.zeros(full_cells, np.int32)
    if len(level.not_finite):
        broken = _grouped(level.not_finite, full_cells).sum(axis=1, dtype=np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        total = _grouped(level.total, full_cells).sum(axis=1)
    return Level(
        _reduce_cells(np.fmin, level.low, full_cells), _reduce_cells(np.fmax, level.high, full_cells), total, broken
    )


def _reduce_cells(choose: np.ufunc, values: Floats, cell_count: int) -> Floats:
    """`choose` over each eight neighbours, by column: several times faster than by row."""
    rows = _grouped(values, cell_count)
    halves = choose(rows[:, :4], rows[:, 4:])
    pairs = choose(halves[:, :2], halves[:, 2:])
    out: Floats = choose(pairs[:, 0], pairs[:, 1])
    return out


def _grouped(values: npt.NDArray[Any], cell_count: int) -> npt.NDArray[Any]:
    return values[: cell_count * FACTOR].reshape(cell_count, FACTOR)
