"""No better than chance, or better by little but reliably: an exact test on what validation counted.

Of the epochs the best is taken, and the probability multiplied by their number (Bonferroni), because the best of many
guesses looks good too. Guessing is what the trainer says it is: for unequal classes always answering the commonest.
"""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.findings.statistics import binomial_tail

NAME = "chance"
ORDER = 40
_SIGNIFICANCE = 0.01
"""Probability below which guessing is ruled out: the stricter of the two usual levels, because there are many runs."""
_SMALL_GAIN = 0.15
"""Accuracy above guessing up to which it is "by little": 30 % of the possible gain with two classes."""
_MIN_COMPLETED_SHARE, _MIN_EPOCHS = 0.5, 2
"""A run is not judged before this share of its epochs and this number of validations."""


def chance_test(run: RunData) -> tuple[float, int, int, int] | None:
    """Returns the probability that guessing reaches the best accuracy, right answers, images, and the step.

    None if the run was not validated, or if it is unknown what guessing reaches.
    """
    accuracies = run.epoch_values("valid/accuracy")
    chance = run.follower.chance.get("valid/accuracy")
    counts = run.latest_values("valid/samples", 1)
    images = int(counts[0]) if counts else run.valid_samples
    if not accuracies or chance is None or not 0 < chance < 1 or not images:
        return None
    best = max(accuracies, key=lambda p: p.value)
    right = round(best.value * images)
    return min(1.0, binomial_tail(right, images, chance) * len(accuracies)), right, images, best.step


def find(run: RunData) -> Finding | None:
    """Returns how the accuracy compares with guessing, whatever judges the run: the test counts right answers."""
    judged = chance_test(run)
    chance = run.follower.chance.get("valid/accuracy", 0.0)
    accuracies = run.epoch_values("valid/accuracy")
    if judged is None or len(accuracies) < _MIN_EPOCHS or run.completed_share < _MIN_COMPLETED_SHARE:
        return None
    p, right, images, step = judged
    evidence = Evidence(("valid/accuracy", "valid/loss"), step, step)
    score = f"{right:,} of {images:,} right at its best ({right / images:.1%}, guessing: {chance:.1%})"
    if p >= _SIGNIFICANCE:
        return Finding(
            NAME,
            Severity.WARNING,
            f"Not better than chance: {score}; guessing does as well in {_format_share(p)} of such runs.",
            evidence,
            "See whether it learns a few images by heart; if not, look at labels, learning rate and model.",
        )
    if right / images - chance < _SMALL_GAIN:
        return Finding(
            NAME,
            Severity.INFO,
            f"Reliably better than chance, though not by much: {score}; p = {p:.1g}.",
            evidence,
        )
    return None


def _format_share(p: float) -> str:
    return "nearly all" if p > 0.99 else f"{p:.0%}" if p >= 0.1 else f"{p:.1%}"
