"""Memory that grows, or only warms up: a robust slope over the run's whole process tree, with its uncertainty.

Allocators, caches and BatchNorm buffers fill in the first epochs, which looks like a leak and is none. So what counts
is the second half of the time since the first epoch ended: there the whole confidence interval of the slope must be
above zero, it must not have slowed down to less than half of the first half's, and it must come to something. Memory
that `records.trend` calls level, as the stats do, does not grow. Of shared pages each process counts its part."""

from __future__ import annotations

import math

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import Record
from imgexp_tui.findings.statistics import slope
from imgexp_tui.text import duration, memory

NAME = "memory"
_SERIES = "tree/memory"
_SAMPLES = 8
"""In each half; with fewer the interval of a slope says nothing."""
_SHARE, _BYTES = 0.02, 32 << 20
"""What it grew by in the second half, as a share of what it has and in bytes, at least: a page cache or a log buffer
does not come to that."""
_SLOWED = 0.5
"""A second half that grows by less than this share of the first half's pace is a warm-up that ends."""


def find(run: Record) -> Finding | None:
    samples = run.system.get(_SERIES)
    start = _warm(run)
    if samples is None or start is None:
        return None
    times, values = samples.since(start)
    half = len(times) // 2
    if half < _SAMPLES:
        return None
    course = run.view.growth.course()
    level = course is not None and course.level_since is not None
    early = slope(times[:half], values[:half])
    late = slope(times[half:], values[half:])
    grew = late[0] * (times[-1] - times[half])
    if not level and late[1] > 0 and grew >= max(_BYTES, _SHARE * values[half]) and late[0] > _SLOWED * early[0]:
        return _grows(run, late, values[-1], int(times[half]), int(times[-1]))
    return _warmed_up(run, samples.values[0] if samples.values else 0.0, list(values[half:]), start)


def _warm(run: Record) -> float | None:
    """Seconds after the first sample; without epochs, the first fifth of the time is taken for the warm-up."""
    samples = run.system.get(_SERIES)
    if run.began is None or samples is None:
        return None
    if run.first_epoch_ended is not None:
        return max(0.0, run.first_epoch_ended - run.began)
    begun = max(0.0, run.planned - run.began) if run.planned is not None else 0.0
    return begun + (samples.times[-1] - begun) / 5


def _grows(run: Record, late: tuple[float, float, float], now: float, first: int, last: int) -> Finding:
    middle, low, high = (60 * s for s in late)
    total = run.view.peaks.get("host/memory_total")
    host = run.system.get("host/memory")
    free = total - host.values[-1] if total and host and host.values else None
    left = f"; in {duration(free / late[0])} nothing is left of the machine's memory" if free and free > 0 else ""
    return Finding(
        NAME,
        Severity.WARNING,
        f"Memory grows by {memory(middle)} a minute ({low / 2**20:,.0f} to {high / 2**20:,.0f} MB), is at {memory(now)}"
        f"{left if math.isfinite(late[0]) and not run.ended else ''}.",
        Evidence((_SERIES, "host/memory"), first, last),
        "Something is kept from step to step: a loss with its graph (use .item()), outputs, a cache without limit.",
    )


def _warmed_up(run: Record, first: float, late: list[float], start: float) -> Finding | None:
    """A word where it looked like a leak at first."""
    level = sorted(late)[len(late) // 2]
    samples = run.system[_SERIES]
    before = [v for t, v in zip(samples.times, samples.values, strict=True) if t <= start]
    rose = level - (before[-1] if before else first)
    if not run.ended or rose < max(_BYTES, 0.05 * level):
        return None
    return Finding(
        NAME,
        Severity.INFO,
        f"Memory rose by {memory(rose)} after the first epoch and is level since, at {memory(level)}: no leak.",
        Evidence((_SERIES,), int(start), int(samples.times[-1])),
    )
