"""Slower per epoch but ahead per step, or the reverse, against the base version.

A larger batch makes fewer steps in an epoch, so that its curve by epochs and its curve by steps say different things
(v1 beside v0 in the notes). Both runs are compared at the last epoch that both have, and at the last step that both
have, between the validations around it. Only where the two disagree, each by more than the curves shake, it is said.
"""

from __future__ import annotations

from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import EpochValue, RunData

NAME = "pace"
ORDER = 130
_MIN_DIFFERENCE = 0.02
"""Minimum difference as a share of the value."""
_MIN_EPOCHS = 3
_MIN_STEPS_RATIO = 1.2
"""Factor by which the steps of an epoch must differ; else epochs and steps are the same measure."""


def find(run: RunData) -> Finding | None:
    base = next(iter(run.comparison_runs.base_runs), None)
    if base is None or base.run_dir == run.follower.run_dir:
        return None
    judge = run.judge
    own, other = run.epoch_values(judge.metric), RunData(base).epoch_values(judge.metric)
    if min(len(own), len(other)) < _MIN_EPOCHS:
        return None
    steps_per_epoch, base_steps_per_epoch = (p[-1].step / p[-1].epoch for p in (own, other))
    if max(steps_per_epoch, base_steps_per_epoch) < _MIN_STEPS_RATIO * min(steps_per_epoch, base_steps_per_epoch):
        return None
    epoch, step = min(own[-1].epoch, other[-1].epoch), min(own[-1].step, other[-1].step)
    by_epoch = _interpolate(own, epoch, "epoch"), _interpolate(other, epoch, "epoch")
    by_step = _interpolate(own, step, "step"), _interpolate(other, step, "step")
    if None in (*by_epoch, *by_step):
        return None
    (a, b), (c, d) = by_epoch, by_step
    assert a is not None and b is not None and c is not None and d is not None
    shakes = _MIN_DIFFERENCE * min(map(abs, (a, b, c, d))) + max(_curve_noise(own), _curve_noise(other))
    if abs(a - b) < shakes or abs(c - d) < shakes or (a > b) == (c > d):
        return None
    behind = judge.goal.is_better(b, a)
    sentence = (
        f"{'Slower per epoch but ahead' if behind else 'Faster per epoch but behind'} per step than {base.version}: "
        f"{judge.metric} {a:.4g} against {b:.4g} after {epoch} epochs, {c:.4g} against {d:.4g} after {step:,} steps."
    )
    what = "A higher learning rate or more epochs may win both." if behind else ""
    return Finding(NAME, Severity.INFO, sentence, Evidence((judge.metric,), own[0].step, own[-1].step), what)


def _curve_noise(points: list[EpochValue]) -> float:
    """Returns how far values are from the line between their neighbours: a steady decrease is not noise."""
    last = [p.value for p in points[-7:]]
    return median(abs(b - (a + c) / 2) for a, b, c in zip(last, last[1:], last[2:], strict=False))


def _interpolate(points: list[EpochValue], position: int, by: str) -> float | None:
    """Returns the value at a position, between the two points around it; None before the first."""
    before = [p for p in points if getattr(p, by) <= position]
    after = [p for p in points if getattr(p, by) >= position]
    if not before or not after:
        return None
    a, b = before[-1], after[0]
    x, y = getattr(a, by), getattr(b, by)
    return a.value if x == y else a.value + (b.value - a.value) * (position - x) / (y - x)
