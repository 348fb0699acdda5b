"""A disk that will be full before the run ends: what is free, how fast it shrinks, and the time left.

The slope is robust, because other users' files come and go in leaps, and the whole of its confidence interval counts:
the slowest filling that fits what was seen must still fill the disk in time."""

from __future__ import annotations

from statistics import fmean

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import Record
from imgexp_tui.findings.statistics import slope
from imgexp_tui.text import duration, memory

NAME = "disk"
_SERIES = "host/disk_free"
_SAMPLES = 6
_TIGHT = 512 << 20
"""Bytes with which a disk counts as full: the next checkpoint may not fit (ResNeXt-50 with Adam's state takes 300
MB)."""
_OWN = 0.5
"""Share of what goes each second from which on the run itself fills the disk."""


def find(run: Record) -> Finding | None:
    samples = run.system.get(_SERIES)
    if samples is None or not samples.values:
        return None
    now = samples.values[-1]
    last = int(samples.times[-1])
    evidence = Evidence((_SERIES,), 0, last)
    if now < _TIGHT:
        return Finding(
            NAME,
            Severity.WARNING,
            f"The disk of the lab is nearly full: {memory(now)} are free.",
            evidence,
            "Free some space; the record and the checkpoints of this run need it.",
        )
    left = run.view.eta()
    times, values = _changes(samples.times, samples.values)
    if run.ended or left is None or len(times) < _SAMPLES:
        return None
    pace = -slope(times, values)[2]
    if pace <= 0 or now / pace > left:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"The disk of the lab will be full in {duration(now / pace)}, and the run needs {duration(left)} more: "
        f"{memory(now)} are free, {memory(60 * pace)} less each minute{_whose(run, pace)}.",
        evidence,
        "Free some space or stop what fills it; the record and the checkpoints of this run need it.",
    )


def _whose(run: Record, pace: float) -> str:
    own = run.system.get("tree/write")
    if own is None or not own.values:
        return ""
    return ", and this run itself writes most of it" if fmean(own.values) > _OWN * pace else ", most of it by others"


def _changes(times: object, values: object) -> tuple[list[float], list[float]]:
    """The samples at which it was looked at anew: the sampler repeats itself in between."""
    pairs = list(zip(times, values, strict=True))  # type: ignore[call-overload]
    kept = [pair for before, pair in zip([None, *pairs], pairs, strict=False) if before is None or before[1] != pair[1]]
    return [t for t, _ in kept], [v for _, v in kept]
