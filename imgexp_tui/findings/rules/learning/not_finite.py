"""NaN or inf: the first step that has one, and where in the network it came up.

A gradient that is not finite is named by its layer group. Where the loss is not finite all gradients are not either;
then the groups whose norms had grown most in the steps before tell more."""

from __future__ import annotations

import math
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData

NAME = "not_finite"
ORDER = 80
_STEPS_BEFORE = 10
"""Steps before it in which norms are compared."""
_GROWTH_FACTOR = 10.0
"""Factor of its median that a norm must have reached to be named."""


def find(run: RunData) -> Finding | None:
    first: dict[int, list[str]] = {}
    for name, series in run.follower.series.items():
        if math.isfinite(sum(series.values)):  # quick; a sum may pass the largest number without any value doing so
            continue
        pairs = zip(series.steps, series.values, strict=True)
        if (step := next((s for s, v in pairs if not math.isfinite(v)), None)) is not None:
            first.setdefault(step, []).append(name)
    if not first:
        return None
    step = min(first)
    names = sorted(first[step])
    groups = [n.partition("/")[2] for n in names if n.startswith("gradient_norm/")]
    losses = [n for n in names if not n.startswith("gradient_norm/")]
    origin = losses[0] if losses else f"the gradient of {groups[0]}"
    value = run.series(names[0] if not losses else losses[0])
    what = next(v for s, v in zip(value.steps, value.values, strict=True) if s == step)
    grown = _most_grown_group(run, step)
    more = f"; the gradient of {grown[0]} had grown to {grown[1]:.3g} before" if grown else ""
    if losses and groups:
        more = f", and so are the gradients of {len(groups)} layer groups" + more
    change = {"gradient_clip": 1.0} if run.uses_shipped_trainer and not run.numeric_setting("gradient_clip") else None
    return Finding(
        NAME,
        Severity.SERIOUS,
        f"{origin[0].upper() + origin[1:] if not losses else origin} is {what} at step {step:,}{more}.",
        Evidence(tuple(names), max(0, step - _STEPS_BEFORE), step),
        "A lower learning rate, clipped gradients (gradient_clip = 1), or a look at the images of that step.",
        change,
    )


def _most_grown_group(run: RunData, step: int) -> tuple[str, float] | None:
    """Returns the layer group whose norm had grown most in the steps before, and how large it was."""
    candidates = []
    for name, series in run.follower.series.items():
        if not name.startswith("gradient_norm/"):
            continue
        finite = [v for s, v in zip(series.steps, series.values, strict=True) if s < step and math.isfinite(v)]
        if len(finite) > _STEPS_BEFORE and (middle := median(finite[:-_STEPS_BEFORE])) > 0:
            candidates.append(
                (max(finite[-_STEPS_BEFORE:]) / middle, name.partition("/")[2], max(finite[-_STEPS_BEFORE:]))
            )
    top = max(candidates, default=None)
    return (top[1], top[2]) if top and top[0] >= _GROWTH_FACTOR else None
