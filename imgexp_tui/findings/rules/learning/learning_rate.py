"""A learning rate that is too high or too low, from the shape of the losses.

Too high: the training loss goes up again for good, never comes down to what guessing has although many steps were
made, or the validation loss leaps up and down. Steps that make the loss worse than no answer at all are steps that go
too far (Bengio 2012, "Practical Recommendations for Gradient-Based Training": the largest rate that does not diverge
is near the best one, and above it the training loss rises).

Too low: the training loss falls as steadily as a line, by little in all, and not more slowly at the end than at the
start. Nothing would be lost by raising it. A rate that is right bends the curve."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import EpochValue, RunData, best_index, last_mean
from imgexp_tui.findings.statistics import decrease_p_value
from imgexp_tui.notebook.schema.settings import SettingValue

NAME = "learning_rate"
ORDER = 70
_DIVERGENCE_FACTOR = 1.5
"""Factor by which the training loss must exceed its lowest value, and guessing's loss, to have diverged."""
_ABOVE_CHANCE_FACTOR = 1.1
"""Factor of guessing's loss that training stays above in its second half; with shuffled labels it is about 1.03."""
_LEAP_FACTOR, _MIN_LEAPS = 2.0, 2
"""The loss rises by this factor from one validation to the next and falls again, this often in its second half."""
_MIN_STEPS, _MIN_EPOCHS = 50, 4
_MAX_DECREASE = 0.15
"""Total decrease of the loss, as a share of guessing's, for a rate that is too low."""
_MIN_LATE_RATIO = 0.5
"""Minimum decrease in the second half, as a share of that in the first half."""
_STEADY_P_VALUE = 0.05
_RATE_SETTINGS = ("learning_rate", "learning_rate_encoder", "learning_rate_pool", "learning_rate_head")


def find(run: RunData) -> Finding | None:
    losses = run.train_losses
    if len(losses) < 2:
        return None
    chance = run.follower.chance.get("train/loss") or run.follower.chance.get("valid/loss")
    # A line that crawls down from above what guessing has is too slow, not too fast.
    return (
        _find_divergence(run, losses, chance)
        or _find_too_low(run, losses, chance)
        or _find_too_high(run, losses, chance)
    )


def _find_divergence(run: RunData, losses: list[EpochValue], chance: float | None) -> Finding | None:
    lowest, last = losses[best_index(losses)], losses[-1]
    floor = chance or losses[0].value
    if last.value > _DIVERGENCE_FACTOR * lowest.value and last.value > floor:
        detail = f"the training loss rose from {lowest.value:.3g} in epoch {lowest.epoch} to {last.value:.3g}"
        return _too_high_finding(run, f"Training diverges: {detail}.", ("train/loss",), lowest.step, last.step)
    return None


def _find_too_high(run: RunData, losses: list[EpochValue], chance: float | None) -> Finding | None:
    last = losses[-1]
    late = losses[len(losses) // 2 :]
    if (
        chance
        and last.step >= _MIN_STEPS
        and len(losses) >= _MIN_EPOCHS
        and min(p.value for p in late) > _ABOVE_CHANCE_FACTOR * chance
    ):
        detail = (
            f"after {last.step:,} steps the training loss is {last_mean(losses):.3g}, and guessing has {chance:.3g}"
        )
        return _too_high_finding(
            run, f"The learning rate looks too high: {detail}.", ("train/loss",), losses[0].step, last.step
        )
    valid = run.epoch_values("valid/loss")
    late = valid[max(0, len(valid) // 2 - 1) :]
    leaps = [
        b
        for a, b, c in zip(late, late[1:], late[2:], strict=False)
        if b.value > _LEAP_FACTOR * a.value and b.value > _LEAP_FACTOR * c.value and (not chance or b.value > chance)
    ]
    if len(leaps) >= _MIN_LEAPS:
        worst = max(leaps, key=lambda p: p.value)
        detail = f"the validation loss leaps, as to {worst.value:.3g} in epoch {worst.epoch}, and back"
        return _too_high_finding(
            run, f"The learning rate looks too high: {detail}.", ("valid/loss",), late[0].step, late[-1].step
        )
    return None


def _too_high_finding(run: RunData, sentence: str, series: tuple[str, ...], first: int, last: int) -> Finding:
    change = _scaled_rates(run, 0.1)
    detail = f" ({_format_change(change)})" if change else ""
    suggestion = f"A tenth of the learning rate{detail}, a warm-up (schedule = one-cycle), or clipped gradients."
    return Finding(NAME, Severity.WARNING, sentence, Evidence(series, first, last), suggestion, change)


def _find_too_low(run: RunData, losses: list[EpochValue], chance: float | None) -> Finding | None:
    values = [p.value for p in losses]
    if len(losses) < _MIN_EPOCHS or not chance or run.completed_share < 0.5 or values[-1] < 0.6 * chance:
        return None
    fell, half = values[0] - values[-1], len(values) // 2
    early, late = values[0] - values[half], values[half] - values[-1]
    if (
        not 0 < fell < _MAX_DECREASE * chance
        or decrease_p_value(values) > _STEADY_P_VALUE
        or late < _MIN_LATE_RATIO * early
    ):
        return None
    # As steady as a line: its noise is small against its decrease.
    drop = fell / (len(values) - 1)
    shakes = fmean(abs((a - b) - drop) for a, b in pairwise(values))
    if shakes > drop:
        return None
    change = _scaled_rates(run, 10)
    detail = f" ({_format_change(change)})" if change else ""
    return Finding(
        NAME,
        Severity.WARNING,
        f"The learning rate looks too low: the training loss falls steadily, but by {fell:.2g} only in {len(values)} "
        f"epochs ({values[0]:.4g} to {values[-1]:.4g}, guessing has {chance:.3g}).",
        Evidence(("train/loss",), losses[0].step, losses[-1].step),
        f"Ten times the learning rate{detail}; nothing would be lost by it.",
        change,
    )


def _scaled_rates(run: RunData, factor: float) -> dict[str, SettingValue] | None:
    """Returns the rates that are set, times `factor`."""
    if not run.uses_shipped_trainer:
        return None
    rates = {name: rate for name in _RATE_SETTINGS if (rate := run.numeric_setting(name))}
    return {name: float(f"{rate * factor:.3g}") for name, rate in rates.items()}


def _format_change(change: dict[str, SettingValue] | None) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in (change or {}).items())
