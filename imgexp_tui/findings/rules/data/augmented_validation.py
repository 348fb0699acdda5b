"""Augmentation applied to validation too, or validation images that change from epoch to epoch.

The trainer takes a fingerprint of the very pixels that went into the model in each validation; images that are the
same in every epoch have the same one. It also says which transforms each side has. Both are exact, so that there are
no thresholds. A resumed run is compared with itself too: its images must not have changed either."""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.text import clean_line, join_names

NAME = "augmented_validation"
ORDER = 150


def find(run: RunData) -> Finding | None:
    transforms = run.follower.plan.get("transforms")
    named = transforms.get("valid") if isinstance(transforms, dict) else None
    names = [clean_line(str(name)) for name in named] if isinstance(named, list) else []
    prints = run.epoch_values("valid/fingerprint")
    kinds = len({p.value for p in prints})
    if not names and kinds < 2:
        return None
    description = (
        f"validation images go through {join_names(names)}" if names else "validation images are not the same each time"
    )
    counted = f" ({kinds} different sets of pixels in {len(prints)} epochs)" if kinds > 1 else ""
    return Finding(
        NAME,
        Severity.WARNING,
        f"Augmentation seems to be applied to validation too: {description}{counted}."
        if names or kinds > 2
        else f"The validation images changed: two different sets of pixels in {len(prints)} epochs.",
        Evidence(("valid/fingerprint",), prints[0].step if prints else None, prints[-1].step if prints else None),
        "Validate on images as they are, or with random numbers that are the same in each epoch.",
    )
