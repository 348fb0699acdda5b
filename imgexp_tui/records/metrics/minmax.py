"""Lowest, highest, mean and broken values of any stretch of a long row of numbers, in the time of one frame.

Level k keeps the extremes of each 8**k neighbours. A stretch is answered from the highest level whose cells lie inside
of it, and from the levels below at its two ends: exactly, so that no zoom hides a single value. What is not finite
(nan, inf) counts as broken and is in no extreme.
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
class Stretches:
    """What several stretches hold, an entry for each.

    Attributes:
        low, high: extremes of the finite values; nan where there are none.
        total: sum of the finite values.
        count: how many values there are, broken ones among them.
        broken: how many are not finite.
    """

    low: Floats
    high: Floats
    total: Floats
    count: Ints
    broken: Ints

    def joined(self, other: Stretches) -> Stretches:
        """Both together, entry by entry."""
        return Stretches(
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
            self.total + other.total,
            self.count + other.count,
            self.broken + other.broken,
        )


@dataclass(frozen=True, slots=True)
class Level:
    """Cells of equal length: extremes (nan without a finite value), sum and number of broken values of each."""

    low: Floats
    high: Floats
    total: Floats
    broken: npt.NDArray[np.int32]


class Pyramid:
    """The levels above `values`, each of cells that are whole; the rest at the end is read one level below.

    Args:
        values: the row; it is not copied.
        levels: as `levels_of` made them for the same values.
    """

    def __init__(self, values: Floats, levels: list[Level] | None = None) -> None:
        self.values = values
        self.levels = levels_of(values) if levels is None else levels

    def stretches(self, starts: Ints, stops: Ints) -> Stretches:
        """What stands in each `values[start:stop]`; where a stop is not after its start, nothing."""
        starts, stops = np.asarray(starts, np.int64), np.asarray(stops, np.int64)
        stops = np.maximum(starts, stops)
        found = _Sums(len(starts), stops - starts)
        a, b = starts.copy(), stops.copy()
        for level in range(len(self.levels) + 1):
            top = level == len(self.levels)
            # The next level has whole cells only, so that what stands beyond them is read here.
            whole = 0 if top else len(self.levels[level].low)
            up_a, up_b = -(-a // FACTOR), np.minimum(b // FACTOR, whole)
            rise = up_a < up_b
            left = np.where(rise, up_a * FACTOR, b)
            self._take(found, level, a, left)
            self._take(found, level, np.where(rise, up_b * FACTOR, b), b)
            a, b = np.where(rise, up_a, 0), np.where(rise, up_b, 0)
            if not rise.any():
                break
        return found.done()

    def _take(self, found: _Sums, level: int, starts: Ints, stops: Ints) -> None:
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
            found.add(some, firsts, at.low[cells], at.high[cells], at.total[cells], at.broken[cells])
        else:
            values = self.values[cells]
            fine = np.isfinite(values)
            low = values if fine.all() else np.where(fine, values, np.nan)
            found.add(some, firsts, low, low, np.where(fine, values, 0.0), ~fine)


class _Sums:
    """Gathers what stretches hold, piece by piece."""

    def __init__(self, count: int, lengths: Ints) -> None:
        self._low = np.full(count, np.nan)
        self._high = np.full(count, np.nan)
        self._total = np.zeros(count)
        self._broken = np.zeros(count, np.int64)
        self._count = lengths

    def add(
        self, at: npt.NDArray[np.intp], firsts: Ints, low: Floats, high: Floats, total: Floats, broken: npt.NDArray[Any]
    ) -> None:
        """Cells for the stretches `at`; those of one stand together, from its place in `firsts`."""
        self._low[at] = np.fmin(self._low[at], np.fmin.reduceat(low, firsts))
        self._high[at] = np.fmax(self._high[at], np.fmax.reduceat(high, firsts))
        with np.errstate(over="ignore", invalid="ignore"):
            self._total[at] += np.add.reduceat(total, firsts)
        self._broken[at] += np.add.reduceat(broken.astype(np.int64), firsts)

    def done(self) -> Stretches:
        return Stretches(self._low, self._high, self._total, self._count, self._broken)


def levels_of(values: Floats) -> list[Level]:
    """Every level above `values`, as far as one of several cells makes sense."""
    fine = np.isfinite(values)
    if fine.all():
        level = Level(values, values, values, np.zeros(0, np.int32))
    else:
        low = np.where(fine, values, np.nan)
        level = Level(low, low, np.where(fine, values, 0.0), (~fine).astype(np.int32))
    levels: list[Level] = []
    while len(level.low) >= FACTOR:
        level = _above(level)
        levels.append(level)
    return levels


def _above(level: Level) -> Level:
    whole = len(level.low) // FACTOR
    broken = np.zeros(whole, np.int32)
    if len(level.broken):
        broken = _rows(level.broken, whole).sum(axis=1, dtype=np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        total = _rows(level.total, whole).sum(axis=1)
    return Level(_reduced(np.fmin, level.low, whole), _reduced(np.fmax, level.high, whole), total, broken)


def _reduced(choose: np.ufunc, values: Floats, whole: int) -> Floats:
    """`choose` over each eight neighbours; by column, which is several times faster than by row."""
    rows = _rows(values, whole)
    halves = choose(rows[:, :4], rows[:, 4:])
    pairs = choose(halves[:, :2], halves[:, 2:])
    out: Floats = choose(pairs[:, 0], pairs[:, 1])
    return out


def _rows(values: npt.NDArray[Any], whole: int) -> npt.NDArray[Any]:
    return values[: whole * FACTOR].reshape(whole, FACTOR)
