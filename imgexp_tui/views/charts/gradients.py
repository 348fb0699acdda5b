"""Draws the gradient norms of each group of layers: a bar for one step, and a one-row curve over time.

All bars and curves share one logarithmic scale, so early layers can be compared with deep ones, and runs with each
other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.text import clean_line, format_number, truncate
from imgexp_tui.views.charts import axis as axes
from imgexp_tui.views.charts import plot
from imgexp_tui.views.charts.blocks import block
from imgexp_tui.views.charts.model import ChartPanel
from imgexp_tui.views.machine.gauges import progress_bar
from imgexp_tui.views.styled import Line, line, pad, truncate_line

_NAME_WIDTH, _VALUE_WIDTH, _MIN_WIDTH = 16, 9, 10


@dataclass(frozen=True, slots=True)
class LayerNorms:
    """Gradient norms of one group of layers of a run.

    Attributes:
        norm: the norm at the cursor; without a cursor, the latest.
        norm_history: the highest norm in each cell of the time axis; nan where a cell has none.
        non_finite: whether a cell has a value that is not finite.
    """

    name: str
    norm: float
    norm_history: tuple[float, ...]
    non_finite: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class RunGradients:
    """The layer groups of a run at one step, from input to output."""

    name: str
    role: str
    step: int
    layers: tuple[LayerNorms, ...]


def column_layout(room: int) -> tuple[int, int, int]:
    """Width of a bar, first cell of the time axis, and width of the time axis, all in cells."""
    size = max(_MIN_WIDTH, (room - _NAME_WIDTH - _VALUE_WIDTH - 4) // 3)
    first = 1 + _NAME_WIDTH + size + 1 + _VALUE_WIDTH + 1
    return size, first, max(_MIN_WIDTH, room - first - 1)


def gradient_lines(runs: Sequence[RunGradients], axis_panel: ChartPanel, room: int, height: int) -> list[Line]:
    """As many runs as fit `height` lines of `room` cells, one below the other, above the time axis."""
    size, first, _ = column_layout(room)
    norms = [v for d in runs for one in d.layers for v in (one.norm, *one.norm_history) if math.isfinite(v) and v > 0]
    if not norms:
        return [line((" no gradient norm in sight", "quiet"))]
    scale = axes.rounded_scale(min(norms), max(norms), log=True)
    head = line((" gradient norms", "strong"), (f"   logarithmic, from {scale.low:.2g} to {scale.high:.2g}", "quiet"))
    lines = [truncate_line(head, room)]
    for depth in runs:
        rows = _run_lines(depth, scale, size, room)
        if len(lines) > 1 and len(lines) + len(rows) + 2 > height:
            lines.append(line((f"  … and {len(runs) - runs.index(depth)} more", "quiet")))
            break
        lines += rows
    lines = lines[: max(1, height - 2)]
    return [*lines, *plot.x_axis_lines(axis_panel, plot.x_scale(axis_panel), first)]


def _run_lines(run: RunGradients, scale: axes.Scale, bar_width: int, room: int) -> list[Line]:
    role = run.role
    rows = [line(" ", (clean_line(run.name), "strong"), (f"   at step {run.step:,}", "quiet"))]
    for one in run.layers:
        share = scale.fraction(one.norm)
        bar = progress_bar(0.0 if math.isnan(share) else share, bar_width, role)
        name = truncate(clean_line(one.name), _NAME_WIDTH - 1)
        course = "".join(_block(scale, v, odd) for v, odd in zip(one.norm_history, one.non_finite, strict=True))
        rows.append(
            truncate_line(
                line(
                    " ",
                    *pad(line(name), _NAME_WIDTH),
                    *bar,
                    " ",
                    f"{format_number(one.norm):>{_VALUE_WIDTH}} ",
                    (course, role),
                ),
                room,
            )
        )
    return rows


def _block(scale: axes.Scale, value: float, is_non_finite: bool) -> str:
    if is_non_finite:
        return "×"
    share = scale.fraction(value)
    return block(share) if math.isfinite(share) else " "
