"""Predicts a constant: the soft predictions have no spread over the images, or all images get the same answer.

A loss near that of guessing does not tell it: a network that has just begun looks the same. The spread does. Two
validations in a row are asked for, and some steps before them: until BatchNorm's running statistics have left their
start behind, a sound network may answer the same to everything.
"""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData

NAME = "constant"
ORDER = 30
_MAX_SPREAD = 0.02
"""Standard deviation of the soft predictions, as a share of the probability that guessing gives: 0.01 for two classes.
A sigmoid's output moves so little when its input moves by 0.04, while weights as they are drawn move it several times
as far (the six versions that the app ships with: 0.03 to 0.09 after their first epoch, where BatchNorm has settled)."""
_MIN_LARGEST_SHARE = 0.995
"""Share of the images that get the same answer."""
_MIN_IMAGES = 20
"""Minimum of images: fewer may well all get the same answer."""
_SETTLED_STEPS = 50
"""Steps: with torch's momentum of 0.1, half a percent of the running statistics is their start then (0.9 ** 50)."""


def find(run: RunData) -> Finding | None:
    spread, share = (
        [p for p in run.epoch_values(name)[-2:] if p.step >= _SETTLED_STEPS]
        for name in ("valid/soft_std", "valid/largest_share")
    )
    images = run.latest_values("valid/samples", 1)
    if images and images[0] < _MIN_IMAGES:
        return None
    chance = run.follower.chance.get("valid/accuracy", 0.5)
    flat = len(spread) == 2 and all(p.value < _MAX_SPREAD * chance for p in spread)
    one = len(share) == 2 and all(p.value >= _MIN_LARGEST_SHARE for p in share)
    if not (flat or one):
        return None
    reasons = []
    if one:
        reasons.append(f"{share[-1].value:.1%} of the validation images get the same answer")
    if spread:
        reasons.append(f"the soft predictions have a standard deviation of {spread[-1].value:.2g}")
    epochs = spread if flat else share
    return Finding(
        NAME,
        Severity.WARNING,
        f"It predicts a constant in epochs {epochs[0].epoch} and {epochs[-1].epoch}: {', and '.join(reasons)}.",
        Evidence(("valid/soft_std", "valid/largest_share", "valid/soft_mean"), epochs[0].step, epochs[-1].step),
        "Look at the head, at the labels, and at the learning rate: dead units do this, and a rate far too high.",
    )
