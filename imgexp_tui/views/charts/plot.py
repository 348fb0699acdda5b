"""A chart as lines of cells: the legend, which is the read-out too, the plot, and the axes with their ticks.

Colours are not needed to read it: every curve has a letter that stands in the legend and here and there on the curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from imgexp_tui.text import clean_line, duration, fit, number
from imgexp_tui.views.charts import axis as axes
from imgexp_tui.views.charts.axis import Scale
from imgexp_tui.views.charts.braille import CLEAR, FAINT, Canvas, Rows, Trace
from imgexp_tui.views.charts.model import Curve, Panel
from imgexp_tui.views.styled import Line, cells, cut, fitting, line, pad

GUTTER = 9
ROLES = tuple(f"curve{i}" for i in range(6))
"""Roles of curves; more curves than these share them, and their letters tell them apart."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CURSOR, _BEST, _BROKEN, _ATTEMPT, _SPOT = "│", "◆", "×", "┊", "╎"
_APART = 24
_NAMES = {"step": "step", "epoch": "epoch", "time": "time", "samples": "samples"}


def large(panel: Panel, room: int, height: int) -> list[Line]:
    """One chart in `height` lines of `room` cells, with a line of legend for each curve as far as there is room."""
    shown = max(1, min(len(panel.curves), height // 3))
    legend = [_legend(panel, i, curve, room) for i, curve in enumerate(panel.curves[:shown])]
    if shown < len(panel.curves):
        more = f"{len(panel.curves) - shown + 1} more"
        legend[-1] = line((f"  … and {more}", "quiet"))
    head = cut(line((f" {_title(panel)}", "strong"), *_remarks(panel)), room)
    return [head, *legend, *plot(panel, height - len(legend) - 1, GUTTER)]


def small(panel: Panel, room: int, height: int, *, here: bool) -> list[Line]:
    """One of many charts: a title with the values in it, and the plot."""
    sign = ("▸", "key") if here else " "
    values = [
        line((f"{_letter(panel, i)} ".lstrip(), _role(curve)), _value(curve, curve.read.value) if curve.read else "–")
        for i, curve in enumerate(panel.curves)
    ]
    title = line(sign, (_title(panel), "strong"))
    head = pad(line(*title, "  ", *fitting(values, ("  ", ""), room - cells(title) - 2)), room)
    return [head, *(pad(one, room) for one in plot(panel, height - 1, GUTTER))]


def plot(panel: Panel, height: int, gutter: int) -> list[Line]:
    """The plot with both axes, in `height` lines."""
    tall = max(2, height - 2)
    y, x = _y_scale(panel), x_scale(panel)
    if y is None:
        nothing = [line((" " * gutter + "no finite value in sight", "bad" if panel.curves else "quiet"))]
        return [*nothing, *[line("")] * (tall - 1), *x_axis(panel, x, gutter)]
    canvas = Canvas(panel.wide, tall)
    for where in panel.spots:
        canvas.upright(_cell(x, where, panel.wide), _SPOT, "key")
    for curve in panel.curves:
        for where in curve.attempts:
            canvas.upright(_cell(x, where, panel.wide), _ATTEMPT, "quiet")
    if panel.cursor is not None:
        canvas.upright(_cell(x, panel.cursor, panel.wide), _CURSOR, "key")
    if panel.chance is not None:
        canvas.level(_dots(y, panel.chance, tall), "chance")
    for i, curve in enumerate(panel.curves):
        rows = _draw(canvas, curve, x, y)
        if len(panel.curves) > 1:
            _letters(canvas, rows, i, len(panel.curves), _role(curve))
        _mark_best(canvas, curve, x, y)
    axis = _y_axis(panel, y, tall, gutter)
    return [line(*left, *body) for left, body in zip(axis, canvas.lines(), strict=True)] + x_axis(panel, x, gutter)


# The plot


def _draw(canvas: Canvas, curve: Curve, x: Scale, y: Scale) -> Rows:
    tall, role = canvas.tall, _role(curve)
    if curve.band:
        canvas.band(_heights(y, curve.band[0], tall), _heights(y, curve.band[1], tall), "quiet")
    low, high = _heights(y, curve.low, tall), _heights(y, curve.high, tall)
    # Where only the higher of two values has a place on a logarithmic axis, the line reaches to the bottom.
    low = [0.0 if math.isnan(a) and not math.isnan(b) else a for a, b in zip(low, high, strict=True)]
    ends = [_point(x, y, point, canvas) for point in (curve.before, curve.after)]
    raw = Trace(low, high, curve.broken, *ends)
    if not curve.line:
        return canvas.curve(raw, role)
    canvas.curve(raw, "quiet", FAINT)
    middle = _heights(y, curve.line, tall)
    return canvas.curve(Trace(middle, middle, [False] * len(middle)), role, CLEAR)


def _heights(y: Scale, values: Sequence[float], tall: int) -> list[float]:
    return [_dots(y, value, tall) for value in values]


def _dots(y: Scale, value: float, tall: int) -> float:
    """The height of a value in dots; what lies far beyond the plot is held near it, for the sake of straight lines."""
    share = y.share(value)
    return min(50.0, max(-50.0, share)) * (4 * tall - 1) if not math.isnan(share) else math.nan


def _point(x: Scale, y: Scale, point: tuple[float, float] | None, canvas: Canvas) -> tuple[float, float] | None:
    if point is None:
        return None
    at, height = x.share(point[0]) * 2 * canvas.wide - 0.5, _dots(y, point[1], canvas.tall)
    return None if math.isnan(at) or math.isnan(height) else (at, height)


def _cell(x: Scale, value: float, wide: int) -> int:
    share = x.share(value)
    if math.isnan(share) or not -1e-9 <= share <= 1 + 1e-9:
        return -1
    return min(wide - 1, max(0, int(share * wide)))


def _letters(canvas: Canvas, rows: Rows, i: int, count: int, role: str) -> None:
    """Its letter here and there on the curve, in cells where it is flat, so that no extreme is covered."""
    flat = [cell for cell, (upper, lower) in rows.items() if upper == lower]
    if not flat:
        return
    wide = canvas.wide
    wanted = [min(wide - 1, at + i * _APART // count) for at in range(_APART // 4, wide, _APART)]
    wanted = wanted or [min(wide - 1, i * max(1, wide // count))]
    for want in [*wanted, max(rows) - i]:
        cell = min(flat, key=lambda one: abs(one - want))
        if abs(cell - want) <= _APART // 2:
            canvas.sign(cell, rows[cell][0], _LETTERS[i % len(_LETTERS)], role)


def _mark_best(canvas: Canvas, curve: Curve, x: Scale, y: Scale) -> None:
    if curve.best:
        cell, height = _cell(x, curve.best.x, canvas.wide), _dots(y, curve.best.value, canvas.tall)
        if cell >= 0 and not math.isnan(height):
            canvas.sign(cell, canvas.row_of(height), _BEST, _role(curve))


# The axes


def x_scale(panel: Panel) -> Scale:
    """The x axis."""
    return Scale(panel.x0, panel.x1, panel.log_x)


def _y_scale(panel: Panel) -> Scale | None:
    """Round limits around all that is in sight, and chance where that does not press the curves flat."""
    rows: list[Sequence[float]] = [values for curve in panel.curves for values in (curve.low, curve.high, *curve.band)]
    found = [v for values in rows for v in values if math.isfinite(v) and (v > 0 or not panel.log_y)]
    if not found:
        return None
    low, high = min(found), max(found)
    if panel.chance is not None and (panel.chance > 0 or not panel.log_y):
        room = 1.5 * (high - low) or abs(panel.chance) * 0.2
        if low - room <= panel.chance <= high + room:
            low, high = min(low, panel.chance), max(high, panel.chance)
    return axes.rounded(low, high, log=panel.log_y)


def _y_axis(panel: Panel, y: Scale, tall: int, gutter: int) -> list[Line]:
    labels: dict[int, tuple[str, str]] = {}
    for value in y.ticks(max(2, tall // 3)):
        row = tall - 1 - min(4 * tall - 1, max(0, round(_dots(y, value, tall)))) // 4
        labels[row] = (axes.told(value, panel.name), "quiet")
    if panel.chance is not None and -1e-9 <= y.share(panel.chance) <= 1 + 1e-9:
        labels[tall - 1 - round(_dots(y, panel.chance, tall)) // 4] = ("chance", "chance")
    found = []
    for row in range(tall):
        text, role = labels.get(row, ("", "quiet"))
        found.append(line((f"{fit(text, gutter - 2):>{gutter - 2}} ", role), ("┤" if text else "│", "quiet")))
    return found


def x_axis(panel: Panel, x: Scale, gutter: int) -> list[Line]:
    """The axis with its ticks and the marks of what is not finite, and the ticks' names."""
    signs: dict[int, tuple[str, str]] = {}
    names: list[tuple[int, str]] = []
    ticks = x.ticks(max(2, panel.wide // 12), whole=panel.axis in ("step", "samples"), times=panel.axis == "time")
    for value in ticks:
        cell = _cell(x, value, panel.wide)
        if cell >= 0:
            signs[cell] = ("┴", "quiet")
            names.append((cell, axes.told_x(value, panel.axis)))
    for curve in panel.curves:
        for column, broken in enumerate(curve.broken):
            if broken:
                signs[column // 2] = (_BROKEN, "bad")
    if (
        panel.cursor is not None
        and (cell := _cell(x, panel.cursor, panel.wide)) >= 0
        and signs.get(cell, " ")[0] != _BROKEN
    ):
        signs[cell] = ("▲", "key")
    body = [signs.get(cell, ("─", "quiet")) for cell in range(panel.wide)]
    axis = line(" " * (gutter - 1), ("└", "quiet"), *_joined(body))
    label = _NAMES[panel.axis]
    return [axis, line((f"{fit(label, gutter - 1):>{gutter - 1}} ", "quiet"), (_placed(names, panel.wide), "quiet"))]


def _joined(signs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    text, role = "", ""
    for sign, of in signs:
        if of != role and text:
            yield text, role
            text = ""
        text, role = text + sign, of
    yield text, role


def _placed(names: Sequence[tuple[int, str]], wide: int) -> str:
    """The names below their ticks, those left out that would stand on another."""
    row = ""
    for cell, name in names:
        at = max(0, min(cell - len(name) // 2, wide - len(name)))
        if not row or at > len(row) + 1:
            row = row.ljust(at) + name
    return row[:wide]


# What is said


def _title(panel: Panel) -> str:
    return clean_line(panel.name.replace("/", " ").replace("_", " "))


def _remarks(panel: Panel) -> Iterator[tuple[str, str]]:
    """How it is drawn, where that is not the usual way."""
    told = ["log y"] if panel.log_y else []
    told += ["log x"] if panel.log_x else []
    told += [f"smoothed {panel.smooth:g}"] if panel.smooth else []
    told += [panel.band] if any(curve.size > 1 for curve in panel.curves) else []
    if panel.log_y and any(v <= 0 for curve in panel.curves for v in curve.low if math.isfinite(v)):
        told.append("values ≤ 0 are not shown")
    if told:
        yield "   " + " · ".join(told), "quiet"


def _legend(panel: Panel, i: int, curve: Curve, room: int) -> Line:
    """A curve's letter and name, what it reads at the cursor, and its best."""
    letter = _letter(panel, i) or _LETTERS[0]
    start = line(" ", (letter, _role(curve)), ("━ ", _role(curve)), (fit(clean_line(curve.name), 24), ""))
    parts = [start]
    if read := curve.read:
        parts.append(line((_value(curve, read.value), "strong")))
        parts.append(line((f"step {read.step:,}", "")))
        if math.isfinite(read.epoch):
            parts.append(line((f"epoch {read.epoch:.4g}", "")))
        if curve.size > 1:
            parts.append(line((f"{_value(curve, read.low)} … {_value(curve, read.high)}", "quiet")))
        elif read.count > 1 and read.high > read.low:
            parts.append(line((f"here {_value(curve, read.low)} … {_value(curve, read.high)}", "quiet")))
        if panel.axis == "time" and math.isfinite(read.seconds):
            parts.append(line((duration(read.seconds), "")))
    if curve.best:
        at = f"epoch {curve.best.epoch:.4g}" if math.isfinite(curve.best.epoch) else f"step {curve.best.step:,}"
        parts.append(line((f"{_BEST} best ", "quiet"), _value(curve, curve.best.value), (f" {at}", "quiet")))
    if curve.odd:
        parts.append(line((f"{_BROKEN} {curve.odd:,} not finite", "bad")))
    return fitting(parts, ("  ", ""), room)


def _value(curve: Curve, value: float) -> str:
    if curve.metric.endswith("accuracy") and math.isfinite(value):
        return f"{value * 100:.2f} %"
    return number(value)


def _letter(panel: Panel, i: int) -> str:
    return _LETTERS[i % len(_LETTERS)] if len(panel.curves) > 1 else ""


def _role(curve: Curve) -> str:
    return ROLES[curve.place % len(ROLES)]
