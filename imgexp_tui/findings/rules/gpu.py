"""A GPU that is throttled, or that others use too.

Throttling is what the driver says (`gpuN/throttle`, the bits of nvml.h), or where that is not recorded nothing.
Others' share is the card's memory that is not the run's own; a desktop or the driver itself takes some hundred MB.
"""

from __future__ import annotations

import re
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.record import Record
from imgexp_tui.text import memory

NAME = "gpu"
_REASONS = {0x8: "hardware slowdown", 0x20: "heat (driver)", 0x40: "heat (hardware)", 0x80: "power brake"}
"""nvmlClocksThrottleReason… of nvml.h that slow a card down against its owner's wish. A power cap (0x4) is how cards
reach their limit in normal work, and no fault."""
_OFTEN = 0.1
"""Share of the samples."""
_OTHERS = 0.1
"""Share of the card's memory that others hold, at the median."""
_SAMPLES = 10


def find(run: Record) -> Finding | None:
    cards = sorted({m[0] for name in run.system if (m := re.match(r"gpu\d+(?=/tree_memory)", name))})
    for card in cards:
        if found := _throttled(run, card) or _shared(run, card):
            return found
    return None


def _throttled(run: Record, card: str) -> Finding | None:
    samples = run.system.get(f"{card}/throttle")
    if samples is None or len(samples.values) < _SAMPLES:
        return None
    bits = [int(v) for v in samples.values]
    shares = {why: sum(bool(b & bit) for b in bits) / len(bits) for bit, why in _REASONS.items()}
    why, share = max(shares.items(), key=lambda item: item[1])
    if share < _OFTEN:
        return None
    hot = run.view.peaks.get(f"{card}/temperature")
    return Finding(
        NAME,
        Severity.WARNING,
        f"The {_named(card)} is throttled in {share:.0%} of the time: {why}"
        + (f", up to {hot:.0f} °C." if hot else "."),
        Evidence((f"{card}/throttle", f"{card}/temperature", f"{card}/power"), 0, int(samples.times[-1])),
        "See to its cooling and power supply; times of this run do not compare with others.",
    )


def _shared(run: Record, card: str) -> Finding | None:
    own, every = run.system.get(f"{card}/tree_memory"), run.system.get(f"{card}/memory")
    total = run.view.peaks.get(f"{card}/memory_total")
    if own is None or every is None or not total or len(own.values) < _SAMPLES:
        return None
    at = dict(zip(every.times, every.values, strict=True))
    others = median(at.get(t, v) - v for t, v in zip(own.times, own.values, strict=True))
    if others < _OTHERS * total:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"Others use the {_named(card)} too: they hold {memory(others, total)}.",
        Evidence(
            (f"{card}/memory", f"{card}/tree_memory", f"{card}/utilization"), int(own.times[0]), int(own.times[-1])
        ),
        "Its pace is not the run's own; take another card, or run when it is free.",
    )


def _named(card: str) -> str:
    return "GPU" if card == "gpu0" else f"GPU {card.removeprefix('gpu')}"
