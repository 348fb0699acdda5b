"""Starved by data: the time of a step that goes by until its images are there, or a GPU that works in bursts.

The trainer measures the wait itself (`time/data` against `time/compute`), on the CPU as on a GPU, so that this is no
guess. Where a trainer does not log it, the shape of the GPU's utilization stands in: full load in bursts with idle time
between is what waiting looks like, though not data alone can be waited for.
"""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.records.system.stats import format_utilization

NAME = "starved"
ORDER = 10
_HIGH_SHARE, _MODERATE_SHARE = 0.20, 0.05
"""Shares of the time from which a run is highly, or moderately, bound by its input, from the TensorFlow profiler
(kHighlyInfeedBoundThresholdInPercent and kModeratelyInfeedBoundThresholdInPercent)."""
_WARM_UP_STEPS, _MIN_STEPS, _RECENT_STEPS = 5, 20, 2000
"""Steps that are skipped at the start, that are needed, and that are evaluated."""
_MIN_SECONDS_LOST = 1.0
"""Seconds that must have been lost for a warning."""
_IDLE_PERCENT, _BUSY_PERCENT, _MIN_SAMPLED_SECONDS = 50, 80, 30.0
"""Percent of utilization at the median and at the 95th percentile, and seconds of samples, for a GPU in bursts."""


def find(run: RunData) -> Finding | None:
    waits, computes = run.series("time/data"), run.series("time/compute")
    count = min(len(waits.values), len(computes.values))
    if count == 0:
        return _find_by_utilization(run)
    if count < _WARM_UP_STEPS + _MIN_STEPS:
        return None
    first = max(_WARM_UP_STEPS, count - _RECENT_STEPS)
    waited, computed = sum(waits.values[first:]), sum(computes.values[first:])
    share = waited / (waited + computed) if waited + computed > 0 else 0.0
    if share < _MODERATE_SHARE:
        return None
    severe = share >= _HIGH_SHARE and waited >= _MIN_SECONDS_LOST
    suggestion, change = _suggest(run)
    return Finding(
        NAME,
        Severity.WARNING if severe else Severity.INFO,
        f"Data are waited for in {share:.0%} of the time ({waited:.3g} s of {waited + computed:.3g} s)"
        + _describe_gpu(run),
        Evidence(("time/data", "time/compute"), waits.steps[first], waits.steps[-1]),
        suggestion if severe else "",
        change if severe else None,
    )


def _suggest(run: RunData) -> tuple[str, dict[str, bool | int | float | str] | None]:
    workers = run.numeric_setting("num_workers")
    if not run.uses_shipped_trainer or workers is None:
        return "Load data in more worker processes, or keep decoded images in memory.", None
    if run.setting("cache_images") is False:
        return "Keep the decoded images in memory (cache_images = true), where they fit.", {"cache_images": True}
    more = 2 * int(workers) or 2
    return f"Load data in worker processes beside the training (num_workers = {more}).", {"num_workers": more}


def _describe_gpu(run: RunData) -> str:
    gauges = [
        g
        for name, g in sorted(run.follower.utilization_histograms.items())
        if name.startswith("gpu") and g.total_seconds >= _MIN_SAMPLED_SECONDS
    ]
    return f"; the GPU's utilization {format_utilization(gauges[0])}." if gauges else "."


def _find_by_utilization(run: RunData) -> Finding | None:
    for name, gauge in sorted(run.follower.utilization_histograms.items()):
        card = name.partition("/")[0]
        own = run.follower.peaks.get(f"{card}/tree_memory")
        bursts = gauge.quantile(0.5) <= _IDLE_PERCENT and gauge.quantile(0.95) >= _BUSY_PERCENT
        if card.startswith("gpu") and own and gauge.total_seconds >= _MIN_SAMPLED_SECONDS and bursts:
            return Finding(
                NAME,
                Severity.WARNING,
                f"The GPU works in bursts: its utilization {format_utilization(gauge)}, as where data are waited for.",
                Evidence((name,)),
                "Load data in more worker processes, and log time/data and time/compute to be sure.",
            )
    return None
