"""Curves as characters: braille lines of any height for a run, a row of blocks for a table.

No extreme is lost: a column of dots spans everything between the lowest and the highest value that fall into it. What
is not finite leaves a gap with a ×. Colours are not needed to read them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Sequence

from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.styled import Line, Span

_BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
# Bits of a braille cell's dots, from the bottom up, left and right column (Unicode, "Braille Patterns").
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_GAP = "×"
_MARK = "┊"

ValueRange = tuple[float, float]


def block_sparkline(values: Sequence[float], room: int) -> str:
    """One row of at most `room` cells, from the lowest value (▁) to the highest (█); gaps are ×.

    Where there are more values than cells, a cell shows the highest of its own, so that spikes stay visible.
    """
    if len(values) > room:
        edges = [i * len(values) // room for i in range(room + 1)]
        values = [_highest(values[a:b]) for a, b in itertools.pairwise(edges)]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return _GAP * len(values)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(_BLOCKS[round((v - low) / span * 7)] if math.isfinite(v) else _GAP for v in values)


def _highest(values: Sequence[float]) -> float:
    return max((v for v in values if math.isfinite(v)), default=math.nan)


def nice_range(low: float, high: float) -> ValueRange:
    """Round limits around both, so that they seldom change while a run grows."""
    span = high - low
    if span <= 0:
        span = abs(high) / 5 or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * m for m in (0.1, 0.2, 0.5, 1.0) if span / (step * m) <= 6 or m == 1.0)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


class StepColumns:
    """Which step, counted from 0, stands in which column: `columns` columns for `steps` steps."""

    def __init__(self, columns: int, steps: int) -> None:
        self._columns, self._steps = columns, steps

    def column_of(self, step: int) -> int:
        """The column of a step."""
        return step * self._columns // self._steps

    def first_step(self, column: int) -> int:
        """The first step that stands in a column, or after it."""
        return -(-column * self._steps // self._columns)


def step_columns(steps: int, columns: int, *, live: bool) -> StepColumns:
    """For a run of `steps` steps so far.

    A live run's columns stand for a round number of steps that changes seldom; at least half of the width is used.
    A run that has ended fills the width.
    """
    if not live:
        return StepColumns(columns - 1, max(1, steps - 1))
    if steps <= columns:
        return StepColumns(1 << (columns // max(1, steps)).bit_length() - 1, 1)
    power = 1 << max(0, (-(-steps // columns)).bit_length() - 3)
    return StepColumns(1, next(m * power for m in range(1, 17) if m * power * columns >= steps))


def column_ranges(curve: Curve, count: int, step_columns: StepColumns) -> list[ValueRange | str | None]:
    """What each of `count` columns shows: lowest and highest value, × for a gap, None for nothing.

    Between two values that stand apart, such as one an epoch, the line is drawn straight.
    """
    if any(curve.non_finite) or math.isnan(sum(curve.lows)):
        return _column_ranges_with_gaps(curve, count, step_columns)
    out: list[ValueRange | str | None] = [None] * count
    lows, highs, size = curve.lows, curve.highs, curve.bucket_size
    start, before = 0, None
    while start < len(lows):
        at = min(count - 1, step_columns.column_of(start * size))
        end = len(lows) if at == count - 1 else -(-step_columns.first_step(at + 1) // size)
        if before and at > before[0] + 1:
            _interpolate(out, before, (at, (lows[start] + highs[start]) / 2))
        out[at] = (min(lows[start:end]), max(highs[start:end]))
        end = min(end, len(lows))
        before = at, (lows[end - 1] + highs[end - 1]) / 2
        start = end
    return out


def _column_ranges_with_gaps(curve: Curve, count: int, step_columns: StepColumns) -> list[ValueRange | str | None]:
    """The same bucket by bucket, for a curve of which some are empty or broken."""
    out: list[ValueRange | str | None] = [None] * count
    before: tuple[int, float] | None = None
    for i, (low, high) in enumerate(zip(curve.lows, curve.highs, strict=True)):
        broken, nothing = curve.non_finite[i], math.isnan(low)
        if nothing and not broken:
            continue
        at = min(count - 1, step_columns.column_of(i * curve.bucket_size))
        if nothing:
            before = None
            out[at] = out[at] or _GAP
            continue
        if before and at > before[0] + 1:
            _interpolate(out, before, (at, (low + high) / 2))
        there = out[at]
        out[at] = (min(low, there[0]), max(high, there[1])) if isinstance(there, tuple) else (low, high)
        before = None if broken else (at, (low + high) / 2)
    return out


def _interpolate(out: list[ValueRange | str | None], a: tuple[int, float], b: tuple[int, float]) -> None:
    for at in range(a[0] + 1, b[0]):
        value = a[1] + (b[1] - a[1]) * (at - a[0]) / (b[0] - a[0])
        out[at] = (value, value)


def braille_lines(
    columns: list[ValueRange | str | None],
    height: int,
    limits: ValueRange,
    chance: float | None,
    role: str,
    marks: Container[int] = (),
) -> list[Line]:
    """`height` lines of braille, two columns a cell, with a dotted line where chance lies.

    Args:
        marks: cells in which a dotted line stands upright, behind the curve.
    """
    wide = (len(columns) + 1) // 2
    grid = [[0] * wide for _ in range(height)]
    gaps: set[int] = set()
    before: tuple[int, int] | None = None
    for x, what in enumerate(columns):
        if not isinstance(what, tuple):
            gaps |= {x // 2} if what else set()
            before = None
            continue
        low, high = (_dot_height(v, limits, height) for v in what)
        bottom, top = low, high
        if before:  # reach out to the column before, so that the line holds together
            bottom, top = min(low, before[1] + 1), max(high, before[0] - 1)
        for y in range(bottom, top + 1):
            grid[height - 1 - y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        before = (low, high)
    dot = _dot_height(chance, limits, height) if chance is not None and limits[0] <= chance <= limits[1] else None
    rows = []
    for row, codes in enumerate(grid):
        level = dot % 4 if dot is not None and height - 1 - dot // 4 == row else None
        rows.append(_row_line(codes, gaps if row == height - 1 else set(), level, role, marks))
    return rows


def chance_row(chance: float, limits: ValueRange, height: int) -> int:
    """The row, from the top, in which chance lies."""
    return height - 1 - _dot_height(chance, limits, height) // 4


def _dot_height(value: float, limits: ValueRange, height: int) -> int:
    low, high = limits
    share = (value - low) / (high - low) if high > low else 0.5
    return round(min(1.0, max(0.0, share)) * (4 * height - 1))


def _row_line(codes: list[int], gaps: set[int], level: int | None, role: str, marks: Container[int]) -> Line:
    """One row, neighbours of one role in one span."""
    spans: list[Span] = []
    for x, code in enumerate(codes):
        if code:
            span = (chr(_BRAILLE + code), role)
        elif x in gaps:
            span = (_GAP, "bad")
        elif x in marks:
            span = (_MARK, "quiet")
        elif level is not None:
            span = (chr(_BRAILLE + _DOTS[0][level]), "chance")
        else:
            span = (" ", role)
        if spans and spans[-1][1] == span[1]:
            spans[-1] = (spans[-1][0] + span[0], role if span[1] == role else span[1])
        else:
            spans.append(span)
    return tuple(spans)
