"""A run that stalls: no heartbeat, lost, or a long pause in its record.

`records.status` sees the first two, by processes and files; the limit of silence is the lab's own (`heartbeat`). A
pause that is over counts where it is far longer than steps and validations take and long in itself; a resumption is
no pause."""

from __future__ import annotations

from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.records.status import State
from imgexp_tui.text import clean_line, format_duration

NAME = "stalled"
ORDER = 180
_PAUSE_FACTOR, _MIN_PAUSE = 30.0, 60.0
"""A pause is at least this many times the median time between lines, and this many seconds."""
_MIN_LINES = 20
_STEP_TIME_METRICS = ("time/data", "time/compute")


def find(run: RunData) -> Finding | None:
    status = run.follower.status
    evidence = Evidence(("train/loss",), run.follower.step, run.follower.step)
    if status.state is State.NO_HEARTBEAT:
        sentence = f"It stalls: {clean_line(status.evidence)}."
        return Finding(NAME, Severity.SERIOUS, sentence, evidence, "Look at its log; stop it and resume if it hangs.")
    if status.state is State.LOST:
        sentence = f"It was lost at step {run.follower.step or 0:,}: {clean_line(status.evidence)}."
        return Finding(NAME, Severity.SERIOUS, sentence, evidence, "Resume it from its last checkpoint.")
    return _find_pause(run)


def _find_pause(run: RunData) -> Finding | None:
    """Finds a pause by the seconds in the steps themselves, which clock changes and resumptions do not affect."""
    worst: tuple[float, int, str] | None = None
    middles = 0.0
    for name in _STEP_TIME_METRICS:
        series = run.series(name)
        if len(series.values) < _MIN_LINES:
            return None
        middles += median(series.values)
        top = max(range(len(series.values)), key=series.values.__getitem__)
        if worst is None or series.values[top] > worst[0]:
            worst = series.values[top], series.steps[top], name
    if worst is None or worst[0] < max(_MIN_PAUSE, _PAUSE_FACTOR * middles):
        return None
    seconds, step, name = worst
    why = "waiting for data" if name == "time/data" else "computing"
    return Finding(
        NAME,
        Severity.WARNING,
        f"It stood still for {format_duration(seconds)} at step {step:,}, {why}; "
        f"a step takes {middles:.2g} s otherwise.",
        Evidence((name,), max(0, step - 10), step + 10),
        "Look at what else ran then, and at the disk or network that the data come from.",
    )
