"""Memory that grows, or only warms up: a robust slope over the run's whole process tree, with its uncertainty.

Allocators, caches and BatchNorm buffers fill in the first epochs, which looks like a leak and is none. So what counts
is the second half of the time since the first epoch ended: there the whole confidence interval of the slope must be
above zero, it must not have slowed down to less than half of the first half's, and it must come to something. Memory
that `records.system.trend` calls level, as the stats do, does not grow. Of shared pages each process counts its
part."""

from __future__ import annotations

import math

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.findings.statistics import slope_with_interval
from imgexp_tui.text import format_duration, format_memory

NAME = "memory"
ORDER = 100
_SERIES = "tree/memory"
_MIN_SAMPLES = 8
"""Minimum of samples in each half; with fewer the interval of a slope means nothing."""
_MIN_GROWTH_SHARE, _MIN_GROWTH_BYTES = 0.02, 32 << 20
"""Minimum growth in the second half, as a share of the memory and in bytes: more than a page cache or a log buffer."""
_SLOWDOWN_RATIO = 0.5
"""A second half that grows by less than this share of the first half's rate is the end of a warm-up."""


def find(run: RunData) -> Finding | None:
    samples = run.system_samples.get(_SERIES)
    start = _warm_up_end(run)
    if samples is None or start is None:
        return None
    times, values = samples.since(start)
    half = len(times) // 2
    if half < _MIN_SAMPLES:
        return None
    course = run.follower.memory_trend.summary()
    level = course is not None and course.level_since is not None
    early = slope_with_interval(times[:half], values[:half])
    late = slope_with_interval(times[half:], values[half:])
    grew = late[0] * (times[-1] - times[half])
    if (
        not level
        and late[1] > 0
        and grew >= max(_MIN_GROWTH_BYTES, _MIN_GROWTH_SHARE * values[half])
        and late[0] > _SLOWDOWN_RATIO * early[0]
    ):
        return _growth_finding(run, late, values[-1], int(times[half]), int(times[-1]))
    return _find_warm_up(run, samples.values[0] if samples.values else 0.0, list(values[half:]), start)


def _warm_up_end(run: RunData) -> float | None:
    """Returns seconds after the first sample; without epochs, the first fifth of the time counts as the warm-up."""
    samples = run.system_samples.get(_SERIES)
    if run.first_sample_time is None or samples is None:
        return None
    if run.first_epoch_end_time is not None:
        return max(0.0, run.first_epoch_end_time - run.first_sample_time)
    start = max(0.0, run.training_start_time - run.first_sample_time) if run.training_start_time is not None else 0.0
    return start + (samples.times[-1] - start) / 5


def _growth_finding(run: RunData, late: tuple[float, float, float], now: float, first: int, last: int) -> Finding:
    middle, low, high = (60 * s for s in late)
    total = run.follower.peaks.get("host/memory_total")
    host = run.system_samples.get("host/memory")
    free = total - host.values[-1] if total and host and host.values else None
    left = (
        f"; in {format_duration(free / late[0])} nothing is left of the machine's memory" if free and free > 0 else ""
    )
    return Finding(
        NAME,
        Severity.WARNING,
        f"Memory grows by {format_memory(middle)} a minute "
        f"({low / 2**20:,.0f} to {high / 2**20:,.0f} MB), is at {format_memory(now)}"
        f"{left if math.isfinite(late[0]) and not run.has_ended else ''}.",
        Evidence((_SERIES, "host/memory"), first, last),
        "Something is kept from step to step: a loss with its graph (use .item()), outputs, a cache without limit.",
    )


def _find_warm_up(run: RunData, first: float, late: list[float], start: float) -> Finding | None:
    """Returns information that there is no leak, if it looked like one at first."""
    level = sorted(late)[len(late) // 2]
    samples = run.system_samples[_SERIES]
    before = [v for t, v in zip(samples.times, samples.values, strict=True) if t <= start]
    rose = level - (before[-1] if before else first)
    if not run.has_ended or rose < max(_MIN_GROWTH_BYTES, 0.05 * level):
        return None
    return Finding(
        NAME,
        Severity.INFO,
        f"Memory rose by {format_memory(rose)} after the first epoch "
        f"and is level since, at {format_memory(level)}: no leak.",
        Evidence((_SERIES,), int(start), int(samples.times[-1])),
    )
