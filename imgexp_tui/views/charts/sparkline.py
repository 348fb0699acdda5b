"""Draws small curves of a metric: several lines with an axis for a run's panel, one row of blocks for a table.

Columns of steps are computed here; the dots are plotted on `braille.Canvas`. No extreme is lost: a column spans
everything between its lowest and its highest value. Values that are not finite leave a gap with a ×.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from imgexp_tui.views.charts.blocks import block
from imgexp_tui.views.charts.braille import Canvas, Trace
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.styled import Line, Span, line

if TYPE_CHECKING:
    from imgexp_tui.views.runs.model import RunSummary

_GAP = "×"
_MARK = "┊"
_GUTTER = 8
"""Cells of the axis to the left of a curve."""

ValueRange = tuple[float, float]


def block_sparkline(values: Sequence[float], room: int) -> str:
    """One row of at most `room` cells, from the lowest value (▁) to the highest (█); values that are not finite are ×.

    With more values than cells, a cell shows the highest of its values, so spikes stay visible.
    """
    if len(values) > room:
        edges = [i * len(values) // room for i in range(room + 1)]
        values = [_highest(values[a:b]) for a, b in itertools.pairwise(edges)]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return _GAP * len(values)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(block((v - low) / span) if math.isfinite(v) else _GAP for v in values)


def _highest(values: Sequence[float]) -> float:
    return max((v for v in values if math.isfinite(v)), default=math.nan)


def nice_range(low: float, high: float) -> ValueRange:
    """Round limits around both values, which seldom change while a run grows."""
    span = high - low
    if span <= 0:
        span = abs(high) / 5 or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * m for m in (0.1, 0.2, 0.5, 1.0) if span / (step * m) <= 6 or m == 1.0)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


class StepColumns:
    """Maps steps, counted from 0, to columns: `columns` columns for `steps` steps."""

    def __init__(self, columns: int, steps: int) -> None:
        self._columns, self._steps = columns, steps

    def column_of(self, step: int) -> int:
        """The column of a step."""
        return step * self._columns // self._steps

    def first_step(self, column: int) -> int:
        """The first step in a column or in a later one."""
        return -(-column * self._steps // self._columns)


def step_columns(steps: int, columns: int, *, live: bool) -> StepColumns:
    """The mapping of steps to columns for a run of `steps` steps so far.

    In a live run a column stands for a round number of steps that seldom changes, and at least half of the width is
    used. A run that has ended fills the width.
    """
    if not live:
        return StepColumns(columns - 1, max(1, steps - 1))
    if steps <= columns:
        return StepColumns(1 << (columns // max(1, steps)).bit_length() - 1, 1)
    power = 1 << max(0, (-(-steps // columns)).bit_length() - 3)
    return StepColumns(1, next(m * power for m in range(1, 17) if m * power * columns >= steps))


def column_ranges(curve: Curve, count: int, step_columns: StepColumns) -> list[ValueRange | str | None]:
    """The content of each of `count` columns: lowest and highest value, × for a gap, None for nothing.

    Columns between two distant values, such as one per epoch, are interpolated linearly.
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
    """The same bucket by bucket, for a curve with empty buckets or values that are not finite."""
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
        previous = out[at]
        out[at] = (min(low, previous[0]), max(high, previous[1])) if isinstance(previous, tuple) else (low, high)
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
    marks: Iterable[int] = (),
) -> list[Line]:
    """`height` lines of braille, two columns a cell, with a dotted line at the height of chance.

    Args:
        columns: what `column_ranges` returned.
        limits: the values at the bottom and at the top; values beyond are drawn at the edge.
        chance: the value that guessing reaches; None, or a value outside the limits, draws no line.
        marks: cells with a dotted vertical line behind the curve.
    """
    canvas = Canvas((len(columns) + 1) // 2, height, blank_role=role)
    for cell in marks:
        canvas.draw_vertical_line(cell, _MARK, "quiet")
    if chance is not None and limits[0] <= chance <= limits[1]:
        canvas.draw_horizontal_line(_dot_height(chance, limits, height), "chance")
    for x, column in enumerate(columns):
        if isinstance(column, str):
            canvas.draw_sign(x // 2, height - 1, column, "bad", behind_curves=True)
    lows = [math.nan] * len(columns)
    highs = lows.copy()
    for x, column in enumerate(columns):
        if isinstance(column, tuple):
            low, high = column
            lows[x] = highs[x] = _dot_height(low, limits, height)
            if high != low:
                highs[x] = _dot_height(high, limits, height)
    # Lines over columns without a value are in `columns` already, so that an empty column is a gap here.
    canvas.draw_curve(Trace(lows, highs, [not isinstance(column, tuple) for column in columns]), role)
    return canvas.to_lines()


def chance_row(chance: float, limits: ValueRange, height: int) -> int:
    """The row, from the top, at the height of chance."""
    return height - 1 - int(_dot_height(chance, limits, height)) // 4


def _dot_height(value: float, limits: ValueRange, height: int) -> float:
    """The dot from the bottom, a whole number, at which a value is drawn."""
    low, high = limits
    share = (value - low) / (high - low) if high > low else 0.5
    top = 4 * height - 1
    return round(share * top) if 0.0 <= share <= 1.0 else top if share > 1.0 else 0


def curve_rows(run: RunSummary, curve: Curve, room: int, rows: int) -> list[Line]:
    """A run's curve with its y axis, in `rows` lines of `room` cells."""
    if curve.value_range is None:
        return [line(("no finite value so far", "bad"))]
    limits = _axis_limits(curve.value_range, chance := run.chance.get(curve.metric))
    count = 2 * max(8, room - _GUTTER)
    columns = step_columns(max(run.step, curve.last_step), count, live=run.live)
    role = curve.metric.partition("/")[0]
    marks = {min(count - 1, columns.column_of(step - 1)) // 2 for _, step in run.attempt_starts}
    plot = braille_lines(column_ranges(curve, count, columns), rows, limits, chance, role, marks)
    return [line(*_axis_label(row, rows, limits, chance, curve), *body) for row, body in enumerate(plot)]


def _axis_limits(value_range: ValueRange, chance: float | None) -> ValueRange:
    """Round limits around the curve, and around chance unless that would flatten the curve."""
    low, high = value_range
    if chance is not None:
        room = 1.5 * (high - low) or abs(chance) * 0.2
        if low - room <= chance <= high + room:
            low, high = min(low, chance), max(high, chance)
    return nice_range(low, high)


def _axis_label(row: int, rows: int, limits: ValueRange, chance: float | None, curve: Curve) -> Line:
    """The axis label of a row: the limits at the top and at the bottom, "chance" at its height."""
    low, high = limits
    text: Span = ("", "quiet")
    if row == 0:
        text = (_format_tick(high, curve), "quiet")
    elif row == rows - 1:
        text = (_format_tick(low, curve), "quiet")
    if chance is not None and low <= chance <= high and row == chance_row(chance, limits, rows) and not text[0]:
        text = ("chance", "chance")
    return line((f"{text[0]:>{_GUTTER - 1}} ", text[1]))


def _format_tick(value: float, curve: Curve) -> str:
    return curve.entry.format_share(value, ".0f") or f"{value:.3g}"
