"""Differences within the noise of seeds: this version's runs over seeds against its base's.

Welch's t interval of the difference of the two means of best validation losses (Welch 1947). With one seed each
nothing can be told, and that is said. Bouthillier et al. (2021, "Accounting for Variance in Machine Learning
Benchmarks") show how often published differences are within it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.findings.statistics import student_t
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import Judge

NAME = "seed_noise"
ORDER = 140
_SMALL_DIFFERENCE = 0.1
"""Difference, as a share of the loss, up to which seeds are recommended: seeds often differ as much."""


def find(run: RunData) -> Finding | None:
    relatives = run.comparison_runs
    base = next(iter(relatives.base_runs), None)
    own_best, base_best = run.follower.best(), base.best(run.follower.judges) if base else None
    if (
        base is None
        or own_best is None
        or base_best is None
        or not run.has_ended
        or own_best.metric != base_best.metric
    ):
        return None
    interval = welch_interval(
        relatives.seed_group or (run.follower,),
        relatives.base_seed_group or (base,),
        Judge(own_best.metric, own_best.goal),
    )
    evidence = Evidence((own_best.metric,), own_best.step, own_best.step)
    if interval is None:
        if abs(own_best.value - base_best.value) > _SMALL_DIFFERENCE * abs(base_best.value):
            return None
        return Finding(
            NAME,
            Severity.INFO,
            f"Whether {own_best.metric} {own_best.value:.4g} against {base_best.value:.4g} of {base.version} is more "
            "than the noise of seeds cannot be told: it needs at least two seeds of both.",
            evidence,
            f"imgexp-tui run {base.version} {run.follower.version} --seeds 3",
        )
    difference, low, high, counts = interval
    if low <= 0 <= high:
        return Finding(
            NAME,
            Severity.INFO,
            f"The difference to {base.version} is within the noise of seeds: {difference:+.4g} in {own_best.metric}, "
            f"95 % interval {low:+.4g} to {high:+.4g} ({counts[0]} and {counts[1]} seeds).",
            evidence,
        )
    return None


def welch_interval(
    own: Sequence[RunFollower], base: Sequence[RunFollower], judge: Judge
) -> tuple[float, float, float, tuple[int, int]] | None:
    """Difference of the mean best values, its 95 % interval, and the numbers of runs; None with fewer than two each."""
    own_bests, base_bests = (_best_values(views, judge) for views in (own, base))
    if min(len(own_bests), len(base_bests)) < 2:
        return None
    parts = variance(own_bests) / len(own_bests), variance(base_bests) / len(base_bests)
    difference, error = fmean(own_bests) - fmean(base_bests), math.sqrt(sum(parts))
    if not error:
        return difference, difference, difference, (len(own_bests), len(base_bests))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(own_bests) - 1) + parts[1] ** 2 / (len(base_bests) - 1))
    reach = student_t(freedom) * error
    return difference, difference - reach, difference + reach, (len(own_bests), len(base_bests))


def _best_values(followers: Sequence[RunFollower], judge: Judge) -> list[float]:
    # By this metric alone, whatever the records of the runs name: two metrics are not compared.
    return [best.value for view in followers if not view.status.state.live and (best := view.best([judge]))]
