"""Stopped too early, or went on after the best: where the best epoch lies.

The validation loss of the last epochs is set against the time before: still falling at the end, with the best
epoch among the last, there was more to gain. A best epoch long past is time wasted; the checkpoint `best` still has it.
Either is advice about the next run, never more than information.
"""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData, best_index, last_mean
from imgexp_tui.findings.statistics import decrease_p_value
from imgexp_tui.notebook.schema.metrics import DEFAULT_JUDGES, Goal
from imgexp_tui.records.metrics.metric import Judge
from imgexp_tui.text import format_duration

NAME = "stopping"
ORDER = 110
_MIN_EPOCHS = 4
_MIN_GAIN = 0.02
"""Gain of the last quarter of the epochs, as a share of the loss; less is no reason to go on."""
_WASTED_SHARE, _MIN_WASTED_EPOCHS = 0.4, 4
"""Share of the epochs, and number of them, after the best: Prechelt's (1998) patience rules stop within a few
epochs."""


def find(run: RunData) -> Finding | None:
    """Returns what the course of the judge, by default the validation loss, says of the number of epochs."""
    judge = run.judge
    valid, goal = run.epoch_values(judge.metric), judge.goal
    if not run.has_ended or len(valid) < _MIN_EPOCHS:
        return None
    at, count = best_index(valid, goal), len(valid)
    after, quarter = count - 1 - at, max(2, count // 4)
    before = last_mean(valid[:-quarter], quarter)
    gain = (goal.sort_key(before) - goal.sort_key(last_mean(valid, quarter))) / abs(before) if before else 0.0
    epochs = run.numeric_setting("epochs")
    recent = decrease_p_value([goal.sort_key(p.value) for p in valid[-max(4, count // 2) :]])
    if after <= 1 and gain > _MIN_GAIN and recent < 0.1:
        longer = int(epochs * 2) if epochs else None
        return Finding(
            NAME,
            Severity.INFO,
            f"It stopped while it was still getting better: {_describe_course(judge)} by {gain:.0%} over the last "
            f"{quarter} epochs, to {valid[at].value:.4g} in epoch {valid[at].epoch}.",
            Evidence((judge.metric,), valid[-quarter].step, valid[-1].step),
            f"Train longer (epochs = {longer})." if longer else "Train longer.",
            {"epochs": longer} if longer and run.uses_shipped_trainer else None,
        )
    if after >= max(_MIN_WASTED_EPOCHS, _WASTED_SHARE * count):
        named = "" if judge.metric == DEFAULT_JUDGES[0] else f"{judge.metric} "
        spent = _seconds_after(run, valid[at].epoch)
        return Finding(
            NAME,
            Severity.INFO,
            f"The last {after} of {count} epochs brought nothing: the best was epoch {valid[at].epoch} "
            f"({named}{valid[at].value:.4g})" + (f"; they took {format_duration(spent)}." if spent >= 1 else "."),
            Evidence((judge.metric,), valid[at].step, valid[-1].step),
            "Stop after a few epochs without a better one (patience = 5).",
            {"patience": 5} if run.uses_shipped_trainer and not run.numeric_setting("patience") else None,
        )
    return None


def _describe_course(judge: Judge) -> str:
    if judge.metric == DEFAULT_JUDGES[0]:
        return "the validation loss fell"
    return f"{judge.metric} {'rose' if judge.goal is Goal.HIGHER else 'fell'}"


def _seconds_after(run: RunData, epoch: int) -> float:
    """Returns the seconds that the epochs after this one took."""
    series = ("time/epoch_train", "time/epoch_valid")
    return sum(p.value for name in series for p in run.epoch_values(name) if p.epoch > epoch)
