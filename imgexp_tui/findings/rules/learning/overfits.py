"""Overfits: the validation loss rises from its best while the training loss goes on falling; since which epoch.

The stop criterion GL of Prechelt (1998, "Early Stopping - But When?"): the validation loss above its best so far, in
percent. He stops at GL 5; here the last three epochs together must be past it, must be past what the curve shakes
anyway, and training must have gone on getting better, to a loss as far below validation's best: a model that does not
fit the training images better than others does not overfit."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import EpochValue, RunData, best_index, last_mean

NAME = "overfits"
ORDER = 60
_MIN_RISE = 0.05
"""Prechelt's GL 5."""
_NOISE_FACTOR = 2.0
"""The rise must be this many times the median change from one epoch to the next since the best."""
_MIN_TRAIN_DECREASE = 0.02
"""Share of the training loss by which it must have fallen since."""
_MIN_EPOCHS_AFTER_BEST, _MIN_EPOCHS = 3, 5
"""Minimum of epochs since the best, and in all."""
_MIN_GAP = 0.25
"""Validation loss above the training loss, as a share of guessing's, that is reported without a rise."""
_MIN_FIT = 0.2
"""Share of guessing's loss that training must have removed for that, as in `underfits`."""


def find(run: RunData) -> Finding | None:
    """Returns since when it overfits, by the losses, whatever judges the run: both halves have them."""
    valid, losses = run.epoch_values("valid/loss"), run.train_losses
    if len(valid) < _MIN_EPOCHS or not losses:
        return None
    at = best_index(valid)
    after, rise = valid[at + 1 :], last_mean(valid) - valid[at].value
    before = next((p.value for p in losses if p.epoch == valid[at].epoch), None)
    train_loss = last_mean(losses)
    learns_on = (
        before is not None
        and train_loss < (1 - _MIN_TRAIN_DECREASE) * before
        and train_loss < (1 - _MIN_RISE) * valid[at].value
    )
    if (
        len(after) >= _MIN_EPOCHS_AFTER_BEST
        and rise > _MIN_RISE * abs(valid[at].value)
        and learns_on
        and rise > _NOISE_FACTOR * _curve_noise(valid[at:])
    ):
        return Finding(
            NAME,
            Severity.WARNING,
            f"It overfits since epoch {valid[at].epoch}: the validation loss rose from {valid[at].value:.4g} to "
            f"{last_mean(valid):.4g}, while the training loss fell from {before:.4g} to {last_mean(losses):.4g}.",
            Evidence(("valid/loss", "train/loss"), valid[at].step, valid[-1].step),
            "Keep the best checkpoint and stop there (patience), or turn up dropout, augmentation or weight decay.",
            {"patience": 5} if run.uses_shipped_trainer else None,
        )
    return _find_gap(run, valid, losses)


def _curve_noise(points: list[EpochValue]) -> float:
    steps = [abs(b.value - a.value) for a, b in pairwise(points)]
    # Each of the two ends contributes half of the noise; a mean of three is less noisy.
    return median(steps) / 2 if steps else 0.0


def _find_gap(run: RunData, valid: list[EpochValue], losses: list[EpochValue]) -> Finding | None:
    chance, gap = run.follower.chance.get("valid/loss"), last_mean(valid) - last_mean(losses)
    if not chance or run.completed_share < 1 or gap < _MIN_GAP * chance or last_mean(losses) > (1 - _MIN_FIT) * chance:
        return None
    return Finding(
        NAME,
        Severity.INFO,
        f"It fits the training images (loss {last_mean(losses):.3g}) far better than the validation images "
        f"({last_mean(valid):.3g}).",
        Evidence(("valid/loss", "train/loss"), valid[0].step, valid[-1].step),
        "More images, more augmentation or more dropout.",
    )
