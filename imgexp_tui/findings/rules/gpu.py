"""A GPU that is throttled, or that others use too.

Throttling is what the driver says (`gpuN/throttle`), or where that is not recorded nothing. A power cap is how cards
reach their limit in normal work, and no fault.
Others' share is the card's memory that is not the run's own; a desktop or the driver itself takes some hundred MB.
"""

from __future__ import annotations

import re
from statistics import median

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import Record
from imgexp_tui.text import memory

NAME = "gpu"
_FAULTS = ("hardware slowdown", "heat", "power brake")
"""The reasons, in the sampler's words for those of nvml.h, that slow a card down against its owner's wish."""
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
    told = run.words.get(f"{card}/throttle")
    if told is None or told.total() < _SAMPLES:
        return None
    shares = {why: sum(n for text, n in told.items() if why in text.split(", ")) / told.total() for why in _FAULTS}
    why, share = max(shares.items(), key=lambda item: item[1])
    if share < _OFTEN:
        return None
    hot, slow = run.view.peaks.get(f"{card}/temperature"), _least(run, f"{card}/clock")
    fast = run.view.peaks.get(f"{card}/clock_max")
    clock = f", down to {slow:,.0f} of {fast:,.0f} MHz" if slow and fast and slow < fast else ""
    return Finding(
        NAME,
        Severity.WARNING,
        f"The {_named(card)} is throttled in {share:.0%} of the time: {why}"
        + (f", up to {hot:.0f} °C" if hot else "")
        + f"{clock}.",
        Evidence((f"{card}/throttle", f"{card}/temperature", f"{card}/clock", f"{card}/power")),
        "See to its cooling and power supply; times of this run do not compare with others.",
    )


def _least(run: Record, name: str) -> float | None:
    return min(run.system[name].values, default=None) if name in run.system else None


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
