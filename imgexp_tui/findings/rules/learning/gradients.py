"""Gradients that vanish, explode, or are largest in the early layers, by the norms of the layer groups.

Glorot and Bengio (2010, "Understanding the difficulty of training deep feedforward neural networks") watch the same:
in a network that trains, the layers' gradients are of one order of magnitude, or two. Norms of groups differ with
their number of parameters and with normalisation as well, so that a factor of less than a hundred means nothing by
itself; the first layer of a freshly drawn network with BatchNorm has the largest one as a rule, which is worth a word
and no more."""

from __future__ import annotations

import math
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData

NAME = "gradients"
ORDER = 90
_VANISHING_RATIO = 1e-4
"""The first group's norm as a share of the norm of the encoder's last group."""
_ZERO_NORM = 1e-7
"""Norm below which nothing is learned: single precision has seven digits."""
_EXPLODING_FACTOR = 100.0
"""Factor by which the total norm exceeds its median; Pascanu et al. (2013, "On the difficulty of training recurrent
neural networks") clip at a few times the mean."""
_EARLY_FACTOR = 4.0
"""Factor by which the first group's norm exceeds the median of the later groups' to be called the largest."""
_MIN_STEPS, _RECENT_STEPS = 20, 500
_NON_ENCODER_GROUPS = ("pool", "head")


def find(run: RunData) -> Finding | None:
    names = sorted(
        n for n, s in run.follower.series.items() if n.startswith("gradient_norm/") and len(s.values) >= _MIN_STEPS
    )
    if not names:
        return None
    norms = {name: run.latest_values(name, _RECENT_STEPS) for name in names}
    if min(map(len, norms.values())) < _MIN_STEPS:
        return None
    steps = run.series(names[0]).steps
    first, last = steps[max(0, len(steps) - _RECENT_STEPS)], steps[-1]
    return _find_exploding(run, norms, last) or _find_by_depth(norms, first, last)


def _find_exploding(run: RunData, norms: dict[str, list[float]], last: int) -> Finding | None:
    length = min(map(len, norms.values()))
    totals = [math.sqrt(sum(values[i - length] ** 2 for values in norms.values())) for i in range(length)]
    middle, top = median(totals), max(totals)
    if top < _EXPLODING_FACTOR * middle or top < 1:
        return None
    steps = run.series(next(iter(norms))).steps
    at = steps[len(steps) - length + totals.index(top)]
    clip = run.numeric_setting("gradient_clip")
    return Finding(
        NAME,
        Severity.WARNING,
        f"Gradients explode: their norm is {top:.3g} at step {at:,}, "
        f"{top / middle:,.0f} times its median of {middle:.3g}.",
        Evidence(tuple(norms), max(0, at - 10), min(last, at + 10)),
        "Clip gradients (gradient_clip = 1), or lower the learning rate.",
        {"gradient_clip": 1.0} if run.uses_shipped_trainer and not clip else None,
    )


def _find_by_depth(norms: dict[str, list[float]], first: int, last: int) -> Finding | None:
    middles = {name: median(values) for name, values in norms.items()}
    encoder = [n for n in middles if n.partition(".")[2] not in _NON_ENCODER_GROUPS]
    evidence = Evidence(tuple(norms), first, last)
    dead = [name for name in encoder if middles[name] < _ZERO_NORM]
    if dead or (len(encoder) > 1 and middles[encoder[0]] < _VANISHING_RATIO * middles[encoder[-1]]):
        which = dead[0] if dead else encoder[0]
        comparison = f"{encoder[-1].partition('/')[2]} has {middles[encoder[-1]]:.2g}"
        if which == encoder[-1]:
            comparison = f"{list(norms)[-1].partition('/')[2]} has {middles[list(norms)[-1]]:.2g}"
        return Finding(
            NAME,
            Severity.WARNING,
            f"Gradients vanish: {which.partition('/')[2]} has a norm of {middles[which]:.2g}, while {comparison}.",
            evidence,
            "Normalisation or skip connections between the layers, another activation, or another initialisation.",
        )
    if len(encoder) < 3:
        return None
    rest = median(middles[name] for name in encoder[1:])
    if rest > 0 and middles[encoder[0]] >= _EARLY_FACTOR * rest:
        return Finding(
            NAME,
            Severity.INFO,
            f"Gradients are largest in the first layers: {encoder[0].partition('/')[2]} has a norm of "
            f"{middles[encoder[0]]:.2g}, the later groups of {rest:.2g} at the median, "
            f"{encoder[-1].partition('/')[2]} of {middles[encoder[-1]]:.2g}.",
            evidence,
            "Usual for weights that were just drawn; clipping would make all of them smaller alike.",
        )
    return None
