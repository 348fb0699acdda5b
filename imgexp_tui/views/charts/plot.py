"""Draws a full chart of metrics: title, legend with the values at the cursor, the plot, and axes with ticks.

The curves themselves are plotted on `braille.Canvas`. A chart is readable without colours: the letter of every curve
stands in the legend and repeatedly on the curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from imgexp_tui.text import clean_line, format_duration, truncate
from imgexp_tui.views.charts import axis as axes
from imgexp_tui.views.charts.axis import Scale
from imgexp_tui.views.charts.braille import FAINT_LAYER, FRONT_LAYER, Canvas, RowExtents, Trace
from imgexp_tui.views.charts.model import ChartPanel, PlottedCurve
from imgexp_tui.views.styled import Line, join_fitting, line, line_width, pad, truncate_line

GUTTER = 9
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CURSOR_SIGN, _BEST_SIGN, _NON_FINITE_SIGN, _ATTEMPT_SIGN, _MARKED_SIGN = "│", "◆", "×", "┊", "╎"
_LETTER_SPACING = 24
_AXIS_NAMES = {"step": "step", "epoch": "epoch", "time": "time", "samples": "samples"}


def large_chart(panel: ChartPanel, room: int, height: int) -> list[Line]:
    """One chart in `height` lines of `room` cells, with a legend line for each curve as far as they fit."""
    shown_count = max(1, min(len(panel.curves), height // 3))
    legend = [_legend_line(panel, i, curve, room) for i, curve in enumerate(panel.curves[:shown_count])]
    if shown_count < len(panel.curves):
        more = f"{len(panel.curves) - shown_count + 1} more"
        legend[-1] = line((f"  … and {more}", "quiet"))
    head = truncate_line(line((f" {_title(panel)}", "strong"), *_display_options(panel)), room)
    return [head, *legend, *plot_lines(panel, height - len(legend) - 1, GUTTER)]


def small_chart(panel: ChartPanel, room: int, height: int, *, is_selected: bool) -> list[Line]:
    """One chart of a grid: a title with the current values, and the plot."""
    sign = ("▸", "key") if is_selected else " "
    values = [
        line(
            (f"{_letter(panel, i)} ".lstrip(), curve.role),
            _format_value(curve, curve.cursor_reading.value) if curve.cursor_reading else "–",
        )
        for i, curve in enumerate(panel.curves)
    ]
    title = line(sign, (_title(panel), "strong"))
    head = pad(line(*title, "  ", *join_fitting(values, ("  ", ""), room - line_width(title) - 2)), room)
    return [head, *(pad(one, room) for one in plot_lines(panel, height - 1, GUTTER))]


def plot_lines(panel: ChartPanel, height: int, gutter: int) -> list[Line]:
    """The plot with both axes in `height` lines; the y axis takes `gutter` cells."""
    tall = max(2, height - 2)
    y, x = _y_scale(panel), x_scale(panel)
    if y is None:
        nothing = [line((" " * gutter + "no finite value in sight", "bad" if panel.curves else "quiet"))]
        return [*nothing, *[line("")] * (tall - 1), *x_axis_lines(panel, x, gutter)]
    canvas = Canvas(panel.plot_width, tall)
    for position in panel.marked_x:
        canvas.draw_vertical_line(_cell_of(x, position, panel.plot_width), _MARKED_SIGN, "key")
    for curve in panel.curves:
        for position in curve.attempt_starts:
            canvas.draw_vertical_line(_cell_of(x, position, panel.plot_width), _ATTEMPT_SIGN, "quiet")
    if panel.cursor is not None:
        canvas.draw_vertical_line(_cell_of(x, panel.cursor, panel.plot_width), _CURSOR_SIGN, "key")
    if panel.chance is not None:
        canvas.draw_horizontal_line(_dot_height(y, panel.chance, tall), "chance")
    for i, curve in enumerate(panel.curves):
        rows = _draw_curve(canvas, curve, x, y)
        if len(panel.curves) > 1:
            _draw_letters(canvas, rows, i, len(panel.curves), curve.role)
        _mark_best(canvas, curve, x, y)
    axis = _y_axis_lines(panel, y, tall, gutter)
    return [line(*left, *body) for left, body in zip(axis, canvas.to_lines(), strict=True)] + x_axis_lines(
        panel, x, gutter
    )


def _draw_curve(canvas: Canvas, curve: PlottedCurve, x: Scale, y: Scale) -> RowExtents:
    tall, role = canvas.height, curve.role
    if curve.band:
        canvas.draw_band(_dot_heights(y, curve.band[0], tall), _dot_heights(y, curve.band[1], tall), "quiet")
    low, high = _dot_heights(y, curve.low, tall), _dot_heights(y, curve.high, tall)
    # Where only the higher of two values is positive on a logarithmic axis, the line reaches to the bottom.
    low = [0.0 if math.isnan(a) and not math.isnan(b) else a for a, b in zip(low, high, strict=True)]
    ends = [_dot_point(x, y, point, canvas) for point in (curve.point_before, curve.point_after)]
    raw = Trace(low, high, curve.non_finite, *ends)
    if not curve.line:
        return canvas.draw_curve(raw, role)
    canvas.draw_curve(raw, "quiet", FAINT_LAYER)
    middle = _dot_heights(y, curve.line, tall)
    return canvas.draw_curve(Trace(middle, middle, [False] * len(middle)), role, FRONT_LAYER)


def _dot_heights(y: Scale, values: Sequence[float], height: int) -> list[float]:
    return [_dot_height(y, value, height) for value in values]


def _dot_height(y: Scale, value: float, height: int) -> float:
    """The height of a value in dots, limited to 50 plot heights, which keeps lines to far values straight."""
    share = y.fraction(value)
    return min(50.0, max(-50.0, share)) * (4 * height - 1) if not math.isnan(share) else math.nan


def _dot_point(x: Scale, y: Scale, point: tuple[float, float] | None, canvas: Canvas) -> tuple[float, float] | None:
    if point is None:
        return None
    at, height = x.fraction(point[0]) * 2 * canvas.width - 0.5, _dot_height(y, point[1], canvas.height)
    return None if math.isnan(at) or math.isnan(height) else (at, height)


def _cell_of(x: Scale, value: float, width: int) -> int:
    share = x.fraction(value)
    if math.isnan(share) or not -1e-9 <= share <= 1 + 1e-9:
        return -1
    return min(width - 1, max(0, int(share * width)))


def _draw_letters(canvas: Canvas, rows: RowExtents, i: int, count: int, role: str) -> None:
    """Its letter here and there on the curve, in cells where it is flat, so that no extreme is covered."""
    flat = [cell for cell, (upper, lower) in rows.items() if upper == lower]
    if not flat:
        return
    width = canvas.width
    targets = [
        min(width - 1, at + i * _LETTER_SPACING // count) for at in range(_LETTER_SPACING // 4, width, _LETTER_SPACING)
    ]
    targets = targets or [min(width - 1, i * max(1, width // count))]
    for target in [*targets, max(rows) - i]:
        cell = min(flat, key=lambda one: abs(one - target))
        if abs(cell - target) <= _LETTER_SPACING // 2:
            canvas.draw_sign(cell, rows[cell][0], _LETTERS[i % len(_LETTERS)], role)


def _mark_best(canvas: Canvas, curve: PlottedCurve, x: Scale, y: Scale) -> None:
    if curve.best:
        cell, height = _cell_of(x, curve.best.x, canvas.width), _dot_height(y, curve.best.value, canvas.height)
        if cell >= 0 and not math.isnan(height):
            canvas.draw_sign(cell, canvas.row_of(height), _BEST_SIGN, curve.role)


def x_scale(panel: ChartPanel) -> Scale:
    """The x axis."""
    return Scale(panel.x_min, panel.x_max, panel.log_x)


def _y_scale(panel: ChartPanel) -> Scale | None:
    """Round limits around all visible values, and around chance unless that would flatten the curves."""
    rows: list[Sequence[float]] = [values for curve in panel.curves for values in (curve.low, curve.high, *curve.band)]
    values = [v for row in rows for v in row if math.isfinite(v) and (v > 0 or not panel.log_y)]
    if not values:
        return None
    low, high = min(values), max(values)
    if panel.chance is not None and (panel.chance > 0 or not panel.log_y):
        room = 1.5 * (high - low) or abs(panel.chance) * 0.2
        if low - room <= panel.chance <= high + room:
            low, high = min(low, panel.chance), max(high, panel.chance)
    return axes.rounded_scale(low, high, log=panel.log_y)


def _y_axis_lines(panel: ChartPanel, y: Scale, height: int, gutter: int) -> list[Line]:
    labels: dict[int, tuple[str, str]] = {}
    for value in y.ticks(max(2, height // 3)):
        row = height - 1 - min(4 * height - 1, max(0, round(_dot_height(y, value, height)))) // 4
        labels[row] = (axes.format_tick(value, panel.curves[0].entry), "quiet")
    if panel.chance is not None and -1e-9 <= y.fraction(panel.chance) <= 1 + 1e-9:
        labels[height - 1 - round(_dot_height(y, panel.chance, height)) // 4] = ("chance", "chance")
    lines = []
    for row in range(height):
        text, role = labels.get(row, ("", "quiet"))
        lines.append(line((f"{truncate(text, gutter - 2):>{gutter - 2}} ", role), ("┤" if text else "│", "quiet")))
    return lines


def x_axis_lines(panel: ChartPanel, x: Scale, gutter: int) -> list[Line]:
    """The x axis in two lines: the axis with ticks and marks of values that are not finite, and the tick labels."""
    signs: dict[int, tuple[str, str]] = {}
    names: list[tuple[int, str]] = []
    ticks = x.ticks(
        max(2, panel.plot_width // 12), whole_numbers=panel.axis in ("step", "samples"), as_times=panel.axis == "time"
    )
    for value in ticks:
        cell = _cell_of(x, value, panel.plot_width)
        if cell >= 0:
            signs[cell] = ("┴", "quiet")
            names.append((cell, axes.format_x_tick(value, panel.axis)))
    for curve in panel.curves:
        for column, broken in enumerate(curve.non_finite):
            if broken:
                signs[column // 2] = (_NON_FINITE_SIGN, "bad")
    if (
        panel.cursor is not None
        and (cell := _cell_of(x, panel.cursor, panel.plot_width)) >= 0
        and signs.get(cell, " ")[0] != _NON_FINITE_SIGN
    ):
        signs[cell] = ("▲", "key")
    body = [signs.get(cell, ("─", "quiet")) for cell in range(panel.plot_width)]
    axis = line(" " * (gutter - 1), ("└", "quiet"), *_merge_spans(body))
    label = _AXIS_NAMES[panel.axis]
    return [
        axis,
        line(
            (f"{truncate(label, gutter - 1):>{gutter - 1}} ", "quiet"),
            (_place_labels(names, panel.plot_width), "quiet"),
        ),
    ]


def _merge_spans(signs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    text, role = "", ""
    for sign, of in signs:
        if of != role and text:
            yield text, role
            text = ""
        text, role = text + sign, of
    yield text, role


def _place_labels(names: Sequence[tuple[int, str]], width: int) -> str:
    """The labels below their ticks; a label that would overlap another is left out."""
    row = ""
    for cell, name in names:
        at = max(0, min(cell - len(name) // 2, width - len(name)))
        if not row or at > len(row) + 1:
            row = row.ljust(at) + name
    return row[:width]


def _title(panel: ChartPanel) -> str:
    return clean_line(panel.name.replace("/", " ").replace("_", " "))


def _display_options(panel: ChartPanel) -> Iterator[tuple[str, str]]:
    """The display options that differ from the defaults."""
    options = ["log y"] if panel.log_y else []
    options += ["log x"] if panel.log_x else []
    options += [f"smoothed {panel.smoothing:g}"] if panel.smoothing else []
    options += [panel.band_mode] if any(curve.run_count > 1 for curve in panel.curves) else []
    if panel.log_y and any(v <= 0 for curve in panel.curves for v in curve.low if math.isfinite(v)):
        options.append("values ≤ 0 are not shown")
    if options:
        yield "   " + " · ".join(options), "quiet"


def _legend_line(panel: ChartPanel, i: int, curve: PlottedCurve, room: int) -> Line:
    """A curve's letter and name, its value at the cursor, and its best value."""
    letter = _letter(panel, i) or _LETTERS[0]
    start = line(" ", (letter, curve.role), ("━ ", curve.role), (truncate(clean_line(curve.name), 24), ""))
    parts = [start]
    if read := curve.cursor_reading:
        parts.append(line((_format_value(curve, read.value), "strong")))
        parts.append(line((f"step {read.step:,}", "")))
        if math.isfinite(read.epoch):
            parts.append(line((f"epoch {read.epoch:.4g}", "")))
        if curve.run_count > 1:
            parts.append(line((f"{_format_value(curve, read.low)} … {_format_value(curve, read.high)}", "quiet")))
        elif read.count > 1 and read.high > read.low:
            parts.append(line((f"here {_format_value(curve, read.low)} … {_format_value(curve, read.high)}", "quiet")))
        if panel.axis == "time" and math.isfinite(read.seconds):
            parts.append(line((format_duration(read.seconds), "")))
    if curve.best:
        at = f"epoch {curve.best.epoch:.4g}" if math.isfinite(curve.best.epoch) else f"step {curve.best.step:,}"
        parts.append(
            line((f"{_BEST_SIGN} best ", "quiet"), _format_value(curve, curve.best.value), (f" {at}", "quiet"))
        )
    if curve.non_finite_count:
        parts.append(line((f"{_NON_FINITE_SIGN} {curve.non_finite_count:,} not finite", "bad")))
    return join_fitting(parts, ("  ", ""), room)


def _format_value(curve: PlottedCurve, value: float) -> str:
    return curve.entry.format_value(value, decimals=2)


def _letter(panel: ChartPanel, i: int) -> str:
    return _LETTERS[i % len(_LETTERS)] if len(panel.curves) > 1 else ""
