"""A disk that will be full before the run ends: what is free, how fast it shrinks, and the time left.

The slope is robust, because other users' files come and go in leaps, and the whole of its confidence interval counts:
the slowest filling that fits what was seen must still fill the disk in time."""

from __future__ import annotations

from statistics import fmean

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.findings.statistics import slope_with_interval
from imgexp_tui.text import format_duration, format_memory

NAME = "disk"
ORDER = 190
_SERIES = "host/disk_free"
_MIN_SAMPLES = 6
_FULL_BYTES = 512 << 20
"""Free bytes below which a disk counts as full: the next checkpoint may not fit (ResNeXt-50 with Adam's state takes
300 MB)."""
_OWN_SHARE = 0.5
"""Share of the shrinkage from which the run itself is what fills the disk."""


def find(run: RunData) -> Finding | None:
    samples = run.system_samples.get(_SERIES)
    if samples is None or not samples.values:
        return None
    now = samples.values[-1]
    last = int(samples.times[-1])
    evidence = Evidence((_SERIES,), 0, last)
    if now < _FULL_BYTES:
        return Finding(
            NAME,
            Severity.WARNING,
            f"The disk of the lab is nearly full: {format_memory(now)} are free.",
            evidence,
            "Free some space; the record and the checkpoints of this run need it.",
        )
    left = run.follower.eta()
    times, values = _changed_samples(samples.times, samples.values)
    if run.has_ended or left is None or len(times) < _MIN_SAMPLES:
        return None
    pace = -slope_with_interval(times, values)[2]
    if pace <= 0 or now / pace > left:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"The disk of the lab will be full in {format_duration(now / pace)}, "
        f"and the run needs {format_duration(left)} more: "
        f"{format_memory(now)} are free, {format_memory(60 * pace)} less each minute{_describe_writer(run, pace)}.",
        evidence,
        "Free some space or stop what fills it; the record and the checkpoints of this run need it.",
    )


def _describe_writer(run: RunData, pace: float) -> str:
    own = run.system_samples.get("tree/write")
    if own is None or not own.values:
        return ""
    return (
        ", and this run itself writes most of it" if fmean(own.values) > _OWN_SHARE * pace else ", most of it by others"
    )


def _changed_samples(times: object, values: object) -> tuple[list[float], list[float]]:
    """Returns the samples at which the value was measured anew: the sampler repeats it in between."""
    pairs = list(zip(times, values, strict=True))  # type: ignore[call-overload]
    changed = [
        pair for before, pair in zip([None, *pairs], pairs, strict=False) if before is None or before[1] != pair[1]
    ]
    return [t for t, _ in changed], [v for _, v in changed]
