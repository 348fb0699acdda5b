"""Room for a larger batch: the card's memory that the run leaves free.

Taking everything to grow with the batch is an upper bound of what a larger one needs (weights and the optimizer's
state do not grow), so that a batch that fits by this reckoning fits. Whether a larger batch is wanted is another
question: it takes fewer, better steps, and the learning rate wants to follow (Goyal et al. 2017, "Accurate, Large
Minibatch SGD", linearly for SGD; Malladi et al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient
Algorithms", by the square root for Adam). Never more than information."""

from __future__ import annotations

import math

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.text import format_memory

NAME = "batch_headroom"
ORDER = 20
_MAX_FILLED_SHARE = 0.9
"""Share of a GPU's memory that may be filled; the rest is for fragmentation and the driver."""
_MIN_GROWTH = 2
"""Factor by which the batch must at least be able to grow."""
_SETTLED_STEPS = 20
"""Steps after which the peak is known."""
_MIN_STEPS_PER_EPOCH = 8
"""Minimum of steps that an epoch keeps."""


def find(run: RunData) -> Finding | None:
    batch = run.numeric_setting("batch_size")
    if not batch or (run.follower.step or 0) < _SETTLED_STEPS:
        return None
    card, used, total = _fullest_gpu(run)
    if not total or not used:
        return None
    room = _MAX_FILLED_SHARE * total / used
    images = run.follower.plan.get("train_samples")
    if isinstance(images, int):
        room = min(room, images / _MIN_STEPS_PER_EPOCH / batch)
    if room < _MIN_GROWTH:
        return None
    times = 1 << int(math.log2(room))
    larger = int(batch) * times
    return Finding(
        NAME,
        Severity.INFO,
        f"The batch of {batch:g} takes {format_memory(used, total)} of GPU memory: one of {larger} would fit.",
        Evidence((f"{card}/tree_memory", "memory/gpu_peak")),
        f"batch_size = {larger}; raise the learning rate with it (by {math.sqrt(times):.2g} for Adam).",
        {"batch_size": larger},
    )


def _fullest_gpu(run: RunData) -> tuple[str, float, float]:
    """Returns the run's GPU with the least room: its name, the most memory that the run held, and its size."""
    candidates = []
    for name, used in run.follower.peaks.items():
        card, _, what = name.partition("/")
        total = run.follower.peaks.get(f"{card}/memory_total")
        if card.startswith("gpu") and what == "tree_memory" and total:
            # torch's own figure is known even if the driver does not report memory by process.
            torch = max(run.latest_values("memory/gpu_peak", 100), default=0.0)
            candidates.append((card, max(used, torch), total))
    return max(candidates, key=lambda f: f[1] / f[2], default=("gpu0", 0.0, 0.0))
