"""Formats what a run measured of its machine and speed, in the words of hand-written notes."""

from __future__ import annotations

import math
import re
from itertools import islice
from statistics import median

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.system.utilization import UtilizationHistogram
from imgexp_tui.text import clean_line, format_duration, format_memory

_RECENT_STEPS = 1000
"""The latest steps, over which a speed is taken."""
_MIN_GAUGE_SECONDS = 5.0
"""Seconds of a gauge from which it is described."""
_MEGABYTE = 1024 * 1024
_BUSY_PERCENT = 90
"""Percent of utilization above which a GPU counts as busy."""


def measured_stats(follower: RunFollower) -> list[tuple[str, str]]:
    """Label and text of everything that was measured so far.

    Such as ("GPU Memory Usage", "1,985/8,126 MB") or ("Epoch time (train)", "~70 s"). Memory is the run's own at its
    highest; where the driver does not report that, it is what torch counted or else the whole GPU's, and the text says
    so. Utilization and the growth of memory count from the first step.
    """
    rows = [row for card in _used_gpus(follower) for row in _gpu_rows(follower, card)]
    if peak := follower.peaks.get("tree/memory"):
        details = "; ".join(filter(None, ("peak", format_memory_growth(follower))))
        rows.append(("CPU Memory", f"{format_memory(peak, follower.peaks.get('host/memory_total'))} ({details})"))
    for label, name in (("Epoch time (train)", "time/epoch_train"), ("Epoch time (valid)", "time/epoch_valid")):
        if (seconds := _recent_median(follower, name)) is not None:
            rows.append((label, f"~{_format_seconds(seconds)}"))
    if (pace := _recent_median(follower, "images_per_second")) is not None:
        rows.append(("Images per second", f"~{_format_rate(pace)}"))
    if (share := _data_wait_share(follower)) is not None:
        rows.append(("Waiting for data", f"{100 * share:.0f} % of the time"))
    return rows


def _gpu_rows(follower: RunFollower, gpu: str) -> list[tuple[str, str]]:
    rows, label = [], "GPU" if len(_used_gpus(follower)) == 1 else f"GPU {gpu.removeprefix('gpu')}"
    own, all_ = follower.peaks.get(f"{gpu}/tree_memory"), follower.peaks.get(f"{gpu}/memory")
    torch = None if own or len(_used_gpus(follower)) > 1 else _highest_value(follower, "memory/gpu_peak")
    if peak := own or torch or all_:
        # A run on a MIG instance of a GPU does not have the memory of the whole GPU.
        divided = any(name.startswith(f"{gpu}/mig") for name in follower.peaks)
        total = None if divided else follower.peaks.get(f"{gpu}/memory_total")
        whose = "" if own else " (torch's own)" if torch else " (all processes)"
        rows.append((f"{label} Memory Usage", format_memory(peak, total) + whose))
    gauge = follower.utilization_histograms.get(f"{gpu}/utilization")
    if gauge and gauge.total_seconds >= _MIN_GAUGE_SECONDS:
        rows.append((f"{label} Utilization", format_utilization(gauge)))
    return rows


def _used_gpus(follower: RunFollower) -> list[str]:
    """The GPUs that the run used: those where its processes had memory, else the one its trainer named, else all."""
    every = sorted({m[0] for name in follower.peaks if (m := re.match(r"gpu\d+(?=/)", name))}, key=lambda c: int(c[3:]))
    if own := [card for card in every if follower.peaks.get(f"{card}/tree_memory")]:
        return own
    device = clean_line(str(follower.plan.get("device", "")))
    if not device:
        return every
    kind, _, index = device.partition(":")
    return [card for card in every if kind == "cuda" and card == f"gpu{index or 0}"]


def format_utilization(histogram: UtilizationHistogram) -> str:
    """Describes how a gauge spent its time: "swings between 0 and 98 %, above 90 % in 12 % of the time"."""
    low, middle, high = (histogram.quantile(share) for share in (0.05, 0.5, 0.95))
    busy = histogram.share_above(_BUSY_PERCENT)
    if high - low <= 15:
        return f"steady at about {middle} %"
    if busy >= 0.75:
        return f"mostly at {middle} %, sometimes down to {low} %"
    share = f"in {busy * 100:.0f} % of the time" if busy >= 0.005 else "in under 1 % of the time"
    return f"swings between {low} and {high} %, " + (
        f"above {_BUSY_PERCENT} % {share}" if busy else f"never above {_BUSY_PERCENT} %"
    )


def format_memory_growth(follower: RunFollower) -> str:
    """Describes the memory of the run's processes: "+3 MB/min, level since epoch 4"; "" before that is known."""
    course = follower.memory_trend.summary()
    if course is None:
        return ""
    rate = course.rate * 60 / _MEGABYTE
    rate_text = f"{rate:+,.0f} MB/min" if abs(rate) >= 1 else ""
    if course.level_since is None:
        return rate_text
    if not course.rate:
        return "level"
    epoch = max((e for e, began in follower.epoch_start_times.items() if began <= course.level_since), default=None)
    return ", ".join(filter(None, (rate_text, "level by now" if epoch is None else f"level since epoch {epoch}")))


def _highest_value(follower: RunFollower, name: str) -> float | None:
    series = follower.series.get(name)
    return max((v for v in series.values if math.isfinite(v)), default=None) if series else None


def _recent_median(follower: RunFollower, name: str) -> float | None:
    """The median of a metric's latest values; None without any."""
    values = _recent_values(follower, name)
    return median(values) if values else None


def _data_wait_share(follower: RunFollower) -> float | None:
    """The share, 0 to 1, of the latest steps' time that was spent waiting for images; None where it is unknown."""
    data, compute = (sum(_recent_values(follower, name)) for name in ("time/data", "time/compute"))
    return data / (data + compute) if data + compute > 0 else None


def _recent_values(follower: RunFollower, name: str) -> list[float]:
    series = follower.series.get(name)
    return [v for v in islice(reversed(series.values), _RECENT_STEPS) if math.isfinite(v)] if series else []


def _format_rate(value: float) -> str:
    """A rate to two or three digits: `8.5`, `85.1`, `1,230`."""
    return f"{float(f'{value:.2g}' if value < 10 else f'{value:.3g}'):,g}"


def _format_seconds(value: float) -> str:
    if value < 600:
        return f"{value:.2g} s" if value < 99.5 else f"{value:.0f} s"
    return format_duration(value)
