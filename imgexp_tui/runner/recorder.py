"""`system.jsonl`: what a run and its machine were doing, a line a sample, thinner as the run grows old."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.host import HostSampler
from imgexp_tui.monitor.tree import TreeSampler
from imgexp_tui.records.lines import LineWriter
from imgexp_tui.records.rundir import RunDir

_PACES = ((600.0, 1.0), (7200.0, 5.0), (float("inf"), 15.0))
"""Up to which age, in seconds, a sample is taken every how many seconds."""


def pace(age: float) -> float:
    """Seconds between two samples of an attempt that is `age` seconds old."""
    return next(every for limit, every in _PACES if age < limit)


class SystemRecorder:
    """Samples everything below this process, and the machine, into a run's `system.jsonl`.

    Attributes:
        due: when the next sample is due, on the monotonic clock.
    """

    def __init__(self, run: RunDir, lab: Path) -> None:
        self._writer = LineWriter(run.system)
        self._host = HostSampler(lab)
        self._gpu = GpuSampler()
        self._tree = TreeSampler(os.getpid(), itself=False)
        self._started = self.due = time.monotonic()

    def take(self) -> None:
        """Write a sample if one is due. A full disk loses samples, never the run."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + pace(now - self._started)
        with contextlib.suppress(OSError):
            self._writer.write(self._sample())

    def _sample(self) -> dict[str, float]:
        cards = self._gpu.sample()
        host, tree = self._host.sample(), self._tree.sample(self._gpu.processes_by_card() if cards else None)
        line: dict[str, float | None] = {
            "time": round(time.time(), 3),
            "tree/cpu_percent": round(tree.cpu_percent, 1),
            "tree/memory": tree.memory,
            "tree/processes": tree.processes,
            "tree/gpu_memory": tree.gpu_memory,
            "host/cpu_percent": round(host.cpu_percent, 1),
            "host/memory": host.memory,
            "host/memory_total": host.memory_total,
            "host/disk_free": host.disk_free,
        }
        for card in cards:
            at = f"gpu{card.index}"
            line |= {
                f"{at}/utilization": card.utilization,
                f"{at}/memory": card.memory,
                f"{at}/memory_total": card.memory_total,
                f"{at}/tree_memory": tree.gpu_memory_by_card.get(card.index),
                f"{at}/temperature": card.temperature,
                f"{at}/power": card.power,
                f"{at}/power_limit": card.power_limit,
            }
        return {name: value for name, value in line.items() if value is not None}
