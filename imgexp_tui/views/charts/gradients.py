"""Gradient norms per group of layers: bars over depth at one moment, and beside each its course over time.

All bars and courses of a picture share one logarithmic scale, so that early layers can be compared with deep ones, and
one run with another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.text import clean_line, fit, number
from imgexp_tui.views.charts import axis as axes
from imgexp_tui.views.charts import plot
from imgexp_tui.views.charts.model import Panel
from imgexp_tui.views.machine.gauges import bar
from imgexp_tui.views.styled import Line, cut, line, pad

_NAME, _VALUE, _LEAST = 16, 9, 10
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Layer:
    """One group of layers of a run.

    Attributes:
        now: its norm at the cursor, or the latest.
        course: the highest norm of each cell of the time axis; nan where there is none.
        broken: whether a cell has a value that is not finite.
    """

    name: str
    now: float
    course: tuple[float, ...]
    broken: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Depth:
    """The layers of a run, the first ones first, at a step."""

    name: str
    place: int
    step: int
    layers: tuple[Layer, ...]


def columns(room: int) -> tuple[int, int, int]:
    """Cells of a bar, the first cell of the time axis, and its cells."""
    size = max(_LEAST, (room - _NAME - _VALUE - 4) // 3)
    first = 1 + _NAME + size + 1 + _VALUE + 1
    return size, first, max(_LEAST, room - first - 1)


def gradients(depths: Sequence[Depth], axis: Panel, room: int, height: int) -> list[Line]:
    """As many runs as there is room for, one below the other, and the time axis."""
    size, first, _ = columns(room)
    found = [v for d in depths for one in d.layers for v in (one.now, *one.course) if math.isfinite(v) and v > 0]
    if not found:
        return [line((" no gradient norm in sight", "quiet"))]
    scale = axes.rounded(min(found), max(found), log=True)
    head = line((" gradient norms", "strong"), (f"   logarithmic, from {scale.low:.2g} to {scale.high:.2g}", "quiet"))
    lines = [cut(head, room)]
    for depth in depths:
        rows = _depth(depth, scale, size, room)
        if len(lines) > 1 and len(lines) + len(rows) + 2 > height:
            lines.append(line((f"  … and {len(depths) - depths.index(depth)} more", "quiet")))
            break
        lines += rows
    lines = lines[: max(1, height - 2)]
    return [*lines, *plot.x_axis(axis, plot.x_scale(axis), first)]


def _depth(depth: Depth, scale: axes.Scale, size: int, room: int) -> list[Line]:
    role = plot.ROLES[depth.place % len(plot.ROLES)]
    rows = [line(" ", (clean_line(depth.name), "strong"), (f"   at step {depth.step:,}", "quiet"))]
    for one in depth.layers:
        share = scale.share(one.now)
        drawn = bar(0.0 if math.isnan(share) else share, size, role)
        name = fit(clean_line(one.name), _NAME - 1)
        course = "".join(_block(scale, v, odd) for v, odd in zip(one.course, one.broken, strict=True))
        rows.append(
            cut(line(" ", *pad(line(name), _NAME), *drawn, " ", f"{number(one.now):>{_VALUE}} ", (course, role)), room)
        )
    return rows


def _block(scale: axes.Scale, value: float, odd: bool) -> str:
    if odd:
        return "×"
    share = scale.share(value)
    return _BLOCKS[round(min(1.0, max(0.0, share)) * 7)] if math.isfinite(share) else " "
