"""A GPU that is throttled, or that others use too.

Throttling is what the driver says (`gpuN/throttle`), or where that is not recorded nothing. A power cap is how cards
reach their limit in normal work, and no fault.
Others' share is the card's memory that is not the run's own; a desktop or the driver itself takes some hundred MB.
"""

from __future__ import annotations

import re
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.text import format_memory

NAME = "gpu"
ORDER = 170
_THROTTLE_REASONS = ("hardware slowdown", "heat", "power brake")
"""Reasons that slow a GPU down without its owner's intent, in the sampler's words for those of nvml.h."""
_MIN_THROTTLED_SHARE = 0.1
"""Share of the samples."""
_MIN_OTHERS_SHARE = 0.1
"""Share of the GPU's memory that others hold, at the median."""
_MIN_SAMPLES = 10


def find(run: RunData) -> Finding | None:
    cards = sorted({m[0] for name in run.system_samples if (m := re.match(r"gpu\d+(?=/tree_memory)", name))})
    for card in cards:
        if finding := _find_throttling(run, card) or _find_sharing(run, card):
            return finding
    return None


def _find_throttling(run: RunData, gpu: str) -> Finding | None:
    reason_counts = run.text_counts.get(f"{gpu}/throttle")
    if reason_counts is None or reason_counts.total() < _MIN_SAMPLES:
        return None
    shares = {
        why: sum(n for text, n in reason_counts.items() if why in text.split(", ")) / reason_counts.total()
        for why in _THROTTLE_REASONS
    }
    why, share = max(shares.items(), key=lambda item: item[1])
    if share < _MIN_THROTTLED_SHARE:
        return None
    hot, slow = run.follower.peaks.get(f"{gpu}/temperature"), _lowest_value(run, f"{gpu}/clock")
    fast = run.follower.peaks.get(f"{gpu}/clock_max")
    clock = f", down to {slow:,.0f} of {fast:,.0f} MHz" if slow and fast and slow < fast else ""
    return Finding(
        NAME,
        Severity.WARNING,
        f"The {_gpu_label(gpu)} is throttled in {share:.0%} of the time: {why}"
        + (f", up to {hot:.0f} °C" if hot else "")
        + f"{clock}.",
        Evidence((f"{gpu}/throttle", f"{gpu}/temperature", f"{gpu}/clock", f"{gpu}/power")),
        "See to its cooling and power supply; times of this run do not compare with others.",
    )


def _lowest_value(run: RunData, name: str) -> float | None:
    return min(run.system_samples[name].values, default=None) if name in run.system_samples else None


def _find_sharing(run: RunData, gpu: str) -> Finding | None:
    own, every = run.system_samples.get(f"{gpu}/tree_memory"), run.system_samples.get(f"{gpu}/memory")
    total = run.follower.peaks.get(f"{gpu}/memory_total")
    if own is None or every is None or not total or len(own.values) < _MIN_SAMPLES:
        return None
    at = dict(zip(every.times, every.values, strict=True))
    other_memory = median(at.get(t, v) - v for t, v in zip(own.times, own.values, strict=True))
    if other_memory < _MIN_OTHERS_SHARE * total:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"Others use the {_gpu_label(gpu)} too: they hold {format_memory(other_memory, total)}.",
        Evidence((f"{gpu}/memory", f"{gpu}/tree_memory", f"{gpu}/utilization"), int(own.times[0]), int(own.times[-1])),
        "Its pace is not the run's own; take another card, or run when it is free.",
    )


def _gpu_label(gpu: str) -> str:
    return "GPU" if gpu == "gpu0" else f"GPU {gpu.removeprefix('gpu')}"
