"""Draws a run next to the note in the editor: a sidebar of curves and values, or two lines below the text."""

from __future__ import annotations

import math

from imgexp_tui.text import format_duration
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.charts.sparkline import block_sparkline, curve_rows
from imgexp_tui.views.runs.model import RunSummary
from imgexp_tui.views.runs.version_table import state_span
from imgexp_tui.views.styled import Line, join_fitting, line, line_width, truncate_line
from imgexp_tui.views.wrap import wrap

_MAX_CURVE_HEIGHT = 10
_GAP = ("   ", "")


def sidebar_lines(version: str, run: RunSummary | None, room: int, height: int) -> list[Line]:
    """State, curves and measured values in lines of `room` cells; the curves share the rest of `height`."""
    if run is None:
        return [line((f"{version} has no run yet.", "quiet")), line(("Its curves will stand here.", "quiet"))]
    top = [
        join_fitting(
            [line(state_span(run.state)), line(_format_progress(run)), line((_format_time_left(run), "quiet"))],
            _GAP,
            room,
        )
    ]
    if not run.live:
        top += [line((text, "quiet")) for text in wrap(run.evidence, room)]
    if run.latest_warning:
        top.append(truncate_line(line(("! ", "warn"), run.latest_warning), room))
    figures = [line(text) for label, value in run.measured for text in wrap(f"{label}: {value}", room)]
    losses = [curve for curve in run.curves if _is_always_drawn(run, curve)]
    other_curves = [curve for curve in run.curves if curve not in losses]
    free = height - len(top) - len(figures) - (1 if figures else 0)
    # Accuracy has curves if every curve still gets three lines; otherwise only its value is shown.
    if free >= 5 * len(run.curves):
        losses, other_curves = list(run.curves), []
    each = (free - len(other_curves)) // len(losses) if losses else 0
    spaced = each >= 5
    rows = max(2, min(_MAX_CURVE_HEIGHT, each - (2 if spaced else 1)))
    body: list[Line] = []
    for curve in losses:
        body += [(), _curve_header(run, curve, room)] if spaced else [_curve_header(run, curve, room)]
        body += curve_rows(run, curve, room, rows)
    body += [_curve_header(run, curve, room) for curve in other_curves]
    return [*top, *body, *([(), *figures] if figures else [])]


def two_line_summary(run: RunSummary | None, room: int) -> list[Line]:
    """The run in two lines: state, progress and measured values, then its losses."""
    if run is None:
        return [line(("no run yet", "quiet"))]
    measured = [line((f"{label}: {value}", "quiet")) for label, value in run.measured]
    first = [
        line(state_span(run.state)),
        line(_format_progress(run)),
        line((_format_time_left(run), "quiet")),
        *measured,
    ]
    return [join_fitting(first, ("  ", ""), room), _loss_line(run, room)]


def _loss_line(run: RunSummary, room: int) -> Line:
    """Name, one-row curve and values of each loss and of the judge, validation first."""
    losses = []
    for curve in reversed([curve for curve in run.curves if _is_always_drawn(run, curve)]):
        role = curve.metric.partition("/")[0]
        is_best_shown = role == "valid" or len(run.curves) == 1 or curve.metric == run.judge
        best = [(" best ", "quiet"), (_format_best(run, curve), "")] if is_best_shown else []
        value = line(" ", (curve.entry.format_value(curve.last_value), "strong"), *best)
        losses.append((line((f"{curve.title} ", role)), curve, value, role))
    used_width = sum(line_width(name) + line_width(value) for name, _, value, _ in losses) + 3 * (len(losses) - 1)
    each = max(4, (room - used_width) // max(1, len(losses)))
    parts = [
        line(*name, (block_sparkline(_bucket_highs(curve), each), role), *value) for name, curve, value, role in losses
    ]
    return join_fitting(parts, _GAP, room)


def _curve_header(run: RunSummary, curve: Curve, room: int) -> Line:
    """Name, current and best value of a curve, and chance."""
    role = curve.metric.partition("/")[0]
    parts = [line((curve.title, role), "  ", (curve.entry.format_value(curve.last_value), "strong"))]
    if curve.best:
        full_text, short_text = _format_best(run, curve), curve.entry.format_value(curve.best[0])
        fits = line_width(parts[0]) + len("  best ") + len(full_text) <= room
        parts.append(line(("best ", "quiet"), full_text if fits else short_text))
    chance = run.chance.get(curve.metric)
    if chance is not None:
        parts.append(line((f"chance {curve.entry.format_value(chance)}", "chance")))
    return join_fitting(parts, ("  ", ""), room)


def _is_always_drawn(run: RunSummary, curve: Curve) -> bool:
    """Whether a curve is drawn in little room too: a loss, or the metric that judges the run."""
    return curve.entry.is_loss or curve.metric == run.judge


def _format_best(run: RunSummary, curve: Curve) -> str:
    """Format the best value with its position: its epoch at the end of an epoch, its step otherwise."""
    if curve.best is None:
        return "–"
    value, step = curve.best
    epoch = run.steps_per_epoch and step % run.steps_per_epoch == 0
    at = f"epoch {step // run.steps_per_epoch}" if run.steps_per_epoch and epoch else f"step {step:,}"
    return f"{curve.entry.format_value(value)} ({at})"


def _bucket_highs(curve: Curve) -> list[float]:
    """The highest value of every bucket with values; nan for a bucket with a value that is not finite."""
    pairs = zip(curve.highs, curve.non_finite, strict=True)
    return [math.nan if broken else high for high, broken in pairs if broken or not math.isnan(high)]


def _format_progress(run: RunSummary) -> str:
    if run.epoch is None:
        return f"step {run.step:,}" if run.step else ""
    return f"epoch {run.epoch}/{run.epochs}" if run.epochs else f"epoch {run.epoch}"


def _format_time_left(run: RunSummary) -> str:
    left = next((bar.seconds_left for bar in run.progress_items if bar.label == "run"), None)
    return "" if left is None else f"{format_duration(left)} left"
