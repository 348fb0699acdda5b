"""What a run measured of its machine and its pace, in the words of the notes that people wrote by hand."""

from __future__ import annotations

import math
import re
from itertools import islice
from statistics import median

from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.system.utilization import Gauge
from imgexp_tui.text import clean_line, duration, memory

_RECENT = 1000
"""Steps that a pace is taken over: the latest ones."""
_ENOUGH = 5.0
"""Seconds of a gauge before a sentence is made of it."""
_MEGA = 1024 * 1024
_HIGH = 90
"""Percent of utilization from which a GPU counts as busy."""


def measured(view: RunView) -> list[tuple[str, str]]:
    """Label and text of everything that was measured so far; what was not is left out.

    Such as ("GPU Memory Usage", "1,985/8,126 MB") or ("Epoch time (train)", "~70 s"). Memory is the highest of the
    run's own; where the driver does not tell it apart, what torch counted or else the GPU's, marked so. Utilization and
    the course of memory count from the first step.
    """
    rows = [row for card in _cards(view) for row in _of_card(view, card)]
    if peak := view.peaks.get("tree/memory"):
        told = "; ".join(filter(None, ("peak", growth(view))))
        rows.append(("CPU Memory", f"{memory(peak, view.peaks.get('host/memory_total'))} ({told})"))
    for label, name in (("Epoch time (train)", "time/epoch_train"), ("Epoch time (valid)", "time/epoch_valid")):
        if (seconds := _typical(view, name)) is not None:
            rows.append((label, f"~{_seconds(seconds)}"))
    if (pace := _typical(view, "images_per_second")) is not None:
        rows.append(("Images per second", f"~{_rounded(pace)}"))
    if (share := _waiting(view)) is not None:
        rows.append(("Waiting for data", f"{100 * share:.0f} % of the time"))
    return rows


def _of_card(view: RunView, card: str) -> list[tuple[str, str]]:
    rows, label = [], "GPU" if len(_cards(view)) == 1 else f"GPU {card.removeprefix('gpu')}"
    own, all_ = view.peaks.get(f"{card}/tree_memory"), view.peaks.get(f"{card}/memory")
    torch = None if own or len(_cards(view)) > 1 else _highest(view, "memory/gpu_peak")
    if peak := own or torch or all_:
        # A run on an instance of a card that is divided has not that card's memory.
        divided = any(name.startswith(f"{card}/mig") for name in view.peaks)
        total = None if divided else view.peaks.get(f"{card}/memory_total")
        whose = "" if own else " (torch's own)" if torch else " (all processes)"
        rows.append((f"{label} Memory Usage", memory(peak, total) + whose))
    gauge = view.gauges.get(f"{card}/utilization")
    if gauge and gauge.seconds >= _ENOUGH:
        rows.append((f"{label} Utilization", utilization(gauge)))
    return rows


def _cards(view: RunView) -> list[str]:
    """The GPUs that the run used: where its processes had memory, else the one its trainer named, else all."""
    every = sorted({m[0] for name in view.peaks if (m := re.match(r"gpu\d+(?=/)", name))}, key=lambda c: int(c[3:]))
    if own := [card for card in every if view.peaks.get(f"{card}/tree_memory")]:
        return own
    device = clean_line(str(view.plan.get("device", "")))
    if not device:
        return every
    kind, _, index = device.partition(":")
    return [card for card in every if kind == "cuda" and card == f"gpu{index or 0}"]


def utilization(gauge: Gauge) -> str:
    """How a gauge spent its time: "swings between 0 and 98 %, above 90 % in 12 % of the time"."""
    low, middle, high = (gauge.quantile(share) for share in (0.05, 0.5, 0.95))
    busy = gauge.share_above(_HIGH)
    if high - low <= 15:
        return f"steady at about {middle} %"
    if busy >= 0.75:
        return f"mostly at {middle} %, sometimes down to {low} %"
    share = f"in {busy * 100:.0f} % of the time" if busy >= 0.005 else "in under 1 % of the time"
    return f"swings between {low} and {high} %, " + (f"above {_HIGH} % {share}" if busy else f"never above {_HIGH} %")


def growth(view: RunView) -> str:
    """How the memory of the run's processes went: "+3 MB/min, level since epoch 4"; "" before that can be told."""
    course = view.growth.course()
    if course is None:
        return ""
    rate = course.rate * 60 / _MEGA
    told = f"{rate:+,.0f} MB/min" if abs(rate) >= 1 else ""
    if course.level_since is None:
        return told
    if not course.rate:
        return "level"
    epoch = max((e for e, began in view.epoch_began.items() if began <= course.level_since), default=None)
    return ", ".join(filter(None, (told, "level by now" if epoch is None else f"level since epoch {epoch}")))


def _highest(view: RunView, name: str) -> float | None:
    series = view.series.get(name)
    return max((v for v in series.values if math.isfinite(v)), default=None) if series else None


def _typical(view: RunView, name: str) -> float | None:
    """The median of the latest values."""
    values = _recent(view, name)
    return median(values) if values else None


def _waiting(view: RunView) -> float | None:
    """Share of the latest steps' time that went by until their images were there."""
    data, compute = (sum(_recent(view, name)) for name in ("time/data", "time/compute"))
    return data / (data + compute) if data + compute > 0 else None


def _recent(view: RunView, name: str) -> list[float]:
    series = view.series.get(name)
    return [v for v in islice(reversed(series.values), _RECENT) if math.isfinite(v)] if series else []


def _rounded(value: float) -> str:
    """A pace to two or three digits: `8.5`, `85.1`, `1,230`."""
    return f"{float(f'{value:.2g}' if value < 10 else f'{value:.3g}'):,g}"


def _seconds(value: float) -> str:
    if value < 600:
        return f"{value:.2g} s" if value < 99.5 else f"{value:.0f} s"
    return duration(value)
