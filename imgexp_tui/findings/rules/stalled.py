"""A run that stalls: no heartbeat, lost, or a long pause in its record.

`records.state` sees the first two, by processes and files; the limit of silence is the lab's own (`heartbeat`). A
pause that is over counts where it is far longer than steps and validations take and long in itself; a resumption is
no pause."""

from __future__ import annotations

from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import Record
from imgexp_tui.records.status import State
from imgexp_tui.text import clean_line, duration

NAME = "stalled"
_TIMES, _LONG = 30.0, 60.0
"""A pause is so many times the median time between lines, and so many seconds."""
_LINES = 20
_SECONDS = ("time/data", "time/compute")


def find(run: Record) -> Finding | None:
    status = run.view.status
    evidence = Evidence(("train/loss",), run.view.step, run.view.step)
    if status.state is State.NO_HEARTBEAT:
        told = f"It stalls: {clean_line(status.evidence)}."
        return Finding(NAME, Severity.SERIOUS, told, evidence, "Look at its log; stop it and resume if it hangs.")
    if status.state is State.LOST:
        told = f"It was lost at step {run.view.step or 0:,}: {clean_line(status.evidence)}."
        return Finding(NAME, Severity.SERIOUS, told, evidence, "Resume it from its last checkpoint.")
    return _paused(run)


def _paused(run: Record) -> Finding | None:
    """By the seconds that the steps themselves tell, which a clock that is set and a resumption do not touch."""
    worst: tuple[float, int, str] | None = None
    middles = 0.0
    for name in _SECONDS:
        series = run.steps(name)
        if len(series.values) < _LINES:
            return None
        middles += median(series.values)
        top = max(range(len(series.values)), key=series.values.__getitem__)
        if worst is None or series.values[top] > worst[0]:
            worst = series.values[top], series.steps[top], name
    if worst is None or worst[0] < max(_LONG, _TIMES * middles):
        return None
    seconds, step, name = worst
    why = "waiting for data" if name == "time/data" else "computing"
    return Finding(
        NAME,
        Severity.WARNING,
        f"It stood still for {duration(seconds)} at step {step:,}, {why}; a step takes {middles:.2g} s otherwise.",
        Evidence((name,), max(0, step - 10), step + 10),
        "Look at what else ran then, and at the disk or network that the data come from.",
    )
