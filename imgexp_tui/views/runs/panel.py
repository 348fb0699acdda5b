"""A run as lines: its state with the evidence, what is under way with the time left, and its curves."""

from __future__ import annotations

import math
from collections.abc import Iterator

from imgexp_tui.text import clean_line, duration, fit, number, width
from imgexp_tui.views.charts import sparkline
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.machine.gauges import bar
from imgexp_tui.views.runs.model import Bar, Member, Run
from imgexp_tui.views.runs.version_table import state_span
from imgexp_tui.views.styled import Line, Span, cells, cut, fitting, line, pad

_LABELS = (13, 20)
"""The least and the most cells that the names of bars take; what stands to the right moves with them."""
_GUTTER = 8
_TALLEST = 8
_ROLES = {"train": "train", "valid": "valid"}


def run_lines(run: Run, room: int, height: int) -> list[Line]:
    """The run in lines of `room` cells; the curves share what is left of `height`, two lines each at least."""
    top = [*_state(run, room), *_group(run, room), *_bars(run.bars, room)]
    if run.remark:
        top.append(cut(line(("! ", "warn"), run.remark), room))
    curves = [c for c in run.curves if c.metric.endswith("loss")]
    others = [c for c in run.curves if not c.metric.endswith("loss")]
    # Accuracy is drawn where each curve still gets three lines, and told in the loss's own line otherwise.
    if others and height - len(top) >= 4 * (len(curves) + len(others)) + 1:
        curves, others = [*curves, *others], []
    if not curves:
        return [*top, *_nothing_drawn(run)]
    rows = max(2, min(_TALLEST, (height - len(top) - 2 * len(curves)) // len(curves)))
    spaced = len(top) + len(curves) * (rows + 2) <= height
    for curve in curves:
        top += [()] if spaced else []
        top.append(_curve_head(run, curve, others, room))
        top += curve_rows(run, curve, room, rows)
    return top


def _state(run: Run, room: int) -> Iterator[Line]:
    sign, role = state_span(run.state)
    more = [line((run.evidence, "quiet"))]
    if run.attempt > 1:
        since = dict(run.attempts).get(run.attempt)
        began = f" ┊ from step {since:,}" if since else ""
        more.append(line((f"attempt {run.attempt}{began}", "quiet")))
    yield fitting([line((sign, role)), *_where(run), _findings(run), *reversed(more)], ("   ", ""), room)


def _findings(run: Run) -> Line:
    if not run.found:
        return ()
    from imgexp_tui.views.findings import in_short

    return in_short(run.found)


def _group(run: Run, room: int) -> Iterator[Line]:
    """The runs that differ from this one in their seed only, this one among them."""
    if len(run.members) > 1:
        parts = [_member(one, here=one.run == run.run) for one in run.members]
        label = _LABELS[0] + 1
        yield line(*pad(line(("seeds", "quiet")), label), *fitting(parts, ("   ", ""), room - label))


def _member(one: Member, *, here: bool) -> Line:
    sign, role = state_span(one.state)
    best = "" if one.best is None else f" {number(one.best)}"
    return line((sign[:1], role), (f" {one.seed}", "strong" if here else ""), (best, "" if here else "quiet"))


def _where(run: Run) -> list[Line]:
    """Epoch and step, where no bar tells them."""
    if run.bars and run.bars[-1].label == "run":
        return []
    epoch = "" if run.epoch is None else f"epoch {run.epoch}" + (f"/{run.epochs}" if run.epochs else "")
    return [line(epoch), line(f"step {run.step:,}" if run.step else "")]


def _nothing_drawn(run: Run) -> list[Line]:
    if run.live:
        return [(), line(("Its curves will stand here.", "quiet"))]
    return [(), line(("It measured nothing that could be drawn.", "quiet"))]


def _bars(bars: tuple[Bar, ...], room: int) -> Iterator[Line]:
    """What is under way, one below the other: label, bar and figures in columns of their own."""
    least, most = _LABELS
    label = min(most, max([least, *(width(b.label) for b in bars)])) + 1
    figures = max((len(f"100 %  {_of_total(b.total, b)}") for b in bars if b.total), default=0) + 1
    return (_bar(b, room, label, figures) for b in bars)


def _bar(what: Bar, room: int, labels: int, figures: int) -> Line:
    """A label, a bar and the figures. Without a total there is nothing to draw, so that only the count stands."""
    label = pad(line((fit(what.label, labels - 1), "quiet")), labels)
    if not what.total:
        return line(*label, f"{_count(what.done, what.unit)} {what.unit}".rstrip())
    left = "" if what.left is None else f"{duration(what.left)} left"
    share = min(1.0, what.done / what.total)
    told = line(f"{share * 100:3.0f} %", (f"  {_of_total(what.done, what)}", "quiet"))
    # The time left keeps its place while it shrinks from "1h 05m left" to "9s left".
    size = max(8, room - labels - figures - 14)
    return line(*label, *bar(share, size, "live"), " ", *pad(told, figures), f" {left:<12}")


def _of_total(done: int, what: Bar) -> str:
    named = "step " if what.unit == "steps" else ""
    return f"{named}{_count(done, what.unit)}/{_count(what.total or 0, what.unit)}"


def _count(value: int, unit: str) -> str:
    return f"{value / 1e6:.0f} M" if unit in ("bytes", "B") else f"{value:,}"


def _curve_head(run: Run, curve: Curve, others: list[Curve], room: int) -> Line:
    """Name, current and best value; the accuracy beside a loss where it has no curve of its own."""
    half = curve.metric.partition("/")[0]
    parts = [line((_title(curve), _ROLES.get(half, "")), "  ", (_value(curve, curve.last), "strong"))]
    if curve.best:
        parts.append(line(("best ", "quiet"), _value(curve, curve.best[0]), (f" {_when(run, curve.best[1])}", "quiet")))
    for other in others:
        if other.metric.startswith(half + "/"):
            parts.append(line(("accuracy ", "quiet"), _value(other, other.last)))
    chance = run.chance.get(curve.metric)
    if chance is not None:
        parts.append(line(("⠂⠂ ", "chance"), (f"chance {_value(curve, chance)}", "quiet")))
    return fitting(parts, ("   ", ""), room)


def _title(curve: Curve) -> str:
    return clean_line(curve.metric.replace("/", " "))


def _value(curve: Curve, value: float) -> str:
    if curve.metric.endswith("accuracy") and math.isfinite(value):
        return f"{value * 100:.1f} %"
    return number(value)


def _when(run: Run, step: int) -> str:
    """Where a best value was reached: its epoch if it was an epoch's end, its step otherwise."""
    per_epoch = run.steps_per_epoch
    return f"epoch {step // per_epoch}" if per_epoch and step % per_epoch == 0 else f"step {step:,}"


def curve_rows(run: Run, curve: Curve, room: int, rows: int) -> list[Line]:
    """One curve with its axis, in `rows` lines of `room` cells."""
    if curve.reach is None:
        return [line(("no finite value so far", "bad"))]
    limits = _limits(curve.reach, chance := run.chance.get(curve.metric))
    count = 2 * max(8, room - _GUTTER)
    places = sparkline.placing(max(run.step, curve.steps), count, live=run.live)
    role, marks = _ROLES[curve.metric[:5]], {min(count - 1, places.column(step - 1)) // 2 for _, step in run.attempts}
    drawn = sparkline.draw(sparkline.columns_of(curve, count, places), rows, limits, chance, role, marks)
    return [line(*_axis(row, rows, limits, chance, curve), *body) for row, body in enumerate(drawn)]


def _limits(found: sparkline.Reach, chance: float | None) -> sparkline.Reach:
    """Round limits that hold the curve, and chance where that does not press the curve flat."""
    low, high = found
    if chance is not None:
        room = 1.5 * (high - low) or abs(chance) * 0.2
        if low - room <= chance <= high + room:
            low, high = min(low, chance), max(high, chance)
    return sparkline.nice_range(low, high)


def _axis(row: int, rows: int, limits: sparkline.Reach, chance: float | None, curve: Curve) -> Line:
    """The limits at the top and bottom row, and where chance lies."""
    low, high = limits
    text: Span = ("", "quiet")
    if row == 0:
        text = (_tick(high, curve), "quiet")
    elif row == rows - 1:
        text = (_tick(low, curve), "quiet")
    if (
        chance is not None
        and low <= chance <= high
        and row == sparkline.chance_row(chance, limits, rows)
        and not text[0]
    ):
        text = ("chance", "chance")
    return line((f"{text[0]:>{_GUTTER - 1}} ", text[1]))


def _tick(value: float, curve: Curve) -> str:
    if curve.metric.endswith("accuracy"):
        return f"{value * 100:.0f} %"
    return f"{value:.3g}"


def width_of(rows: list[Line]) -> int:
    """The cells that the widest of the lines takes."""
    return max(map(cells, rows), default=0)
