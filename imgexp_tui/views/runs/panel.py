"""Draws a run's panel on the main screen: its state, progress bars with the time left, and its curves."""

from __future__ import annotations

from collections.abc import Iterator

from imgexp_tui.text import cell_width, format_duration, format_number, truncate
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.charts.sparkline import curve_rows
from imgexp_tui.views.machine.gauges import progress_bar
from imgexp_tui.views.runs.model import GroupMember, ProgressItem, RunSummary
from imgexp_tui.views.runs.version_table import state_span
from imgexp_tui.views.styled import Line, join_fitting, line, pad, truncate_line

_LABEL_WIDTHS = (13, 20)
"""Least and most cells of the bars' labels."""
_MAX_CURVE_HEIGHT = 8


def run_lines(run: RunSummary, room: int, height: int) -> list[Line]:
    """The run in lines of `room` cells; the curves share the rest of `height`, at least two lines each."""
    top = [*_state_line(run, room), *_group_line(run, room), *_bar_lines(run.progress_items, room)]
    if run.latest_warning:
        top.append(truncate_line(line(("! ", "warn"), run.latest_warning), room))
    curves = [c for c in run.curves if c.entry.is_loss or c.metric == run.judge]
    other_curves = [c for c in run.curves if c not in curves]
    # Accuracy has curves if each curve still gets three lines; otherwise its value stands in the loss's header.
    if other_curves and height - len(top) >= 4 * (len(curves) + len(other_curves)) + 1:
        curves, other_curves = [*curves, *other_curves], []
    if not curves:
        return [*top, *_no_curves_lines(run)]
    rows = max(2, min(_MAX_CURVE_HEIGHT, (height - len(top) - 2 * len(curves)) // len(curves)))
    spaced = len(top) + len(curves) * (rows + 2) <= height
    for curve in curves:
        top += [()] if spaced else []
        top.append(_curve_header(run, curve, other_curves, room))
        top += curve_rows(run, curve, room, rows)
    return top


def _state_line(run: RunSummary, room: int) -> Iterator[Line]:
    sign, role = state_span(run.state)
    more = [line((run.evidence, "quiet"))]
    if run.attempt > 1:
        since = dict(run.attempt_starts).get(run.attempt)
        began = f" ┊ from step {since:,}" if since else ""
        more.append(line((f"attempt {run.attempt}{began}", "quiet")))
    yield join_fitting(
        [line((sign, role)), *_position_lines(run), _findings_summary(run), *reversed(more)], ("   ", ""), room
    )


def _findings_summary(run: RunSummary) -> Line:
    if not run.findings:
        return ()
    from imgexp_tui.views.findings import summary_line

    return summary_line(run.findings)


def _group_line(run: RunSummary, room: int) -> Iterator[Line]:
    """The runs of the seed group, this one among them."""
    if len(run.members) > 1:
        parts = [_format_member(one, is_displayed=one.run == run.run) for one in run.members]
        label = _LABEL_WIDTHS[0] + 1
        yield line(*pad(line(("seeds", "quiet")), label), *join_fitting(parts, ("   ", ""), room - label))


def _format_member(member: GroupMember, *, is_displayed: bool) -> Line:
    sign, role = state_span(member.state)
    best = "" if member.best is None else f" {format_number(member.best)}"
    return line(
        (sign[:1], role), (f" {member.seed}", "strong" if is_displayed else ""), (best, "" if is_displayed else "quiet")
    )


def _position_lines(run: RunSummary) -> list[Line]:
    """Epoch and step, if no progress bar shows them."""
    if run.progress_items and run.progress_items[-1].label == "run":
        return []
    epoch = "" if run.epoch is None else f"epoch {run.epoch}" + (f"/{run.epochs}" if run.epochs else "")
    return [line(epoch), line(f"step {run.step:,}" if run.step else "")]


def _no_curves_lines(run: RunSummary) -> list[Line]:
    if run.live:
        return [(), line(("Its curves will stand here.", "quiet"))]
    return [(), line(("It measured nothing that could be drawn.", "quiet"))]


def _bar_lines(bars: tuple[ProgressItem, ...], room: int) -> Iterator[Line]:
    """The progress bars, one per line, with labels, bars and numbers in aligned columns."""
    least, most = _LABEL_WIDTHS
    label = min(most, max([least, *(cell_width(b.label) for b in bars)])) + 1
    figures = max((len(f"100 %  {_format_progress(b.total, b)}") for b in bars if b.total), default=0) + 1
    return (_bar_line(b, room, label, figures) for b in bars)


def _bar_line(item: ProgressItem, room: int, label_width: int, figures_width: int) -> Line:
    """A label, a bar and the numbers; without a total, only the count."""
    label = pad(line((truncate(item.label, label_width - 1), "quiet")), label_width)
    if not item.total:
        return line(*label, f"{_format_count(item.done, item.unit)} {item.unit}".rstrip())
    left = "" if item.seconds_left is None else f"{format_duration(item.seconds_left)} left"
    share = min(1.0, item.done / item.total)
    numbers = line(f"{share * 100:3.0f} %", (f"  {_format_progress(item.done, item)}", "quiet"))
    # A fixed width, so nothing moves while the time shrinks from "1h 05m left" to "9s left".
    size = max(8, room - label_width - figures_width - 14)
    return line(*label, *progress_bar(share, size, "live"), " ", *pad(numbers, figures_width), f" {left:<12}")


def _format_progress(done: int, item: ProgressItem) -> str:
    named = "step " if item.unit == "steps" else ""
    return f"{named}{_format_count(done, item.unit)}/{_format_count(item.total or 0, item.unit)}"


def _format_count(value: int, unit: str) -> str:
    return f"{value / 1e6:.0f} M" if unit in ("bytes", "B") else f"{value:,}"


def _curve_header(run: RunSummary, curve: Curve, other_curves: list[Curve], room: int) -> Line:
    """Name, current and best value of a curve, and chance; with a loss, the accuracies in `other_curves`."""
    half = curve.metric.partition("/")[0]
    parts = [line((curve.title, half), "  ", (_format_value(curve, curve.last_value), "strong"))]
    if curve.best:
        parts.append(
            line(
                ("best ", "quiet"),
                _format_value(curve, curve.best[0]),
                (f" {_format_step(run, curve.best[1])}", "quiet"),
            )
        )
    for other in other_curves:
        if curve.entry.is_loss and other.metric.startswith(half + "/"):
            parts.append(line((f"{other.entry.measure} ", "quiet"), _format_value(other, other.last_value)))
    chance = run.chance.get(curve.metric)
    if chance is not None:
        parts.append(line(("⠂⠂ ", "chance"), (f"chance {_format_value(curve, chance)}", "quiet")))
    return join_fitting(parts, ("   ", ""), room)


def _format_value(curve: Curve, value: float) -> str:
    return curve.entry.format_value(value)


def _format_step(run: RunSummary, step: int) -> str:
    """Format the position of a best value: its epoch at the end of an epoch, its step otherwise."""
    per_epoch = run.steps_per_epoch
    return f"epoch {step // per_epoch}" if per_epoch and step % per_epoch == 0 else f"step {step:,}"
