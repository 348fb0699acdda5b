"""`system.jsonl`: what a run and its machine were doing, a line a second at first, thinner as the run grows old.

Samples are taken every second throughout. Where a line stands for several of them, it tells the highest memory and
temperature, the mean of rates and of CPU time, and of everything else the latest: a short peak is in the record however
old the run, and the GPU's utilization keeps its swings, which a mean would flatten.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.host import HostSampler
from imgexp_tui.monitor.process_tree import TreeSampler
from imgexp_tui.monitor.samples import GpuSample, HostSample, TreeSample
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import RunDir

_PACES = ((600.0, 1.0), (7200.0, 5.0), (86400.0, 15.0), (float("inf"), 30.0))
"""Up to which age, in seconds, a line is written every how many seconds: half a megabyte in the first ten minutes where
there is one GPU, five in the first day, two in each later one."""
_SAMPLE = 1.0
"""Seconds between two samples."""
_HIGHEST = ("memory", "shared", "tree_memory", "gpu_memory", "swap", "temperature", "processes")
_MEAN = ("cpu_percent", "read", "write", "disk_read", "disk_write", "net_in", "net_out", "power")

Value = float | str
Line = dict[str, Value]


def pace(age: float) -> float:
    """Seconds between two lines of an attempt that is `age` seconds old."""
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
        self._samples: list[Line] = []
        self._started = self.due = self._line_due = time.monotonic()

    def leave_out(self, pids: Collection[int]) -> None:
        """Processes below this one that are not the run's."""
        self._tree.without = pids

    def take(self) -> None:
        """Take a sample, and write a line, if they are due. A full disk loses samples, never the run."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + _SAMPLE
        self._samples.append(self._sample())
        if now >= self._line_due:
            # Half a sample early: the sample that a line waits for may come a little sooner than it is due.
            self._line_due = now + pace(now - self._started) - _SAMPLE / 2
            self.flush()

    def flush(self) -> None:
        """Write down the samples that no line tells yet."""
        samples, self._samples = self._samples, []
        if samples:
            with contextlib.suppress(OSError):
                self._writer.write({"time": round(time.time(), 3), **merged(samples)})

    def _sample(self) -> Line:
        cards = self._gpu.sample()
        tree = self._tree.sample(self._gpu.processes_by_card() if cards else None)
        found = _of_tree(tree) | _of_host(self._host.sample())
        for card in cards:
            found |= _of_card(card, tree)
        return {name: value for name, value in found.items() if value is not None}


def merged(samples: list[Line]) -> Line:
    """One line for several samples."""
    found = dict(samples[-1])
    for name in {name for sample in samples for name in sample}:
        kind = name.rpartition("/")[2]
        values = [v for sample in samples if isinstance(v := sample.get(name), int | float)]
        if kind in _HIGHEST:
            found[name] = max(values)
        elif kind in _MEAN:
            found[name] = round(sum(values) / len(values), 1)
    return found


def _of_tree(tree: TreeSample) -> dict[str, Value | None]:
    return {
        "tree/cpu_percent": round(tree.cpu_percent, 1),
        "tree/memory": tree.memory,
        "tree/shared": tree.shared,
        "tree/processes": tree.processes,
        "tree/read": _whole(tree.read),
        "tree/write": _whole(tree.write),
        "tree/gpu_memory": tree.gpu_memory,
    }


def _of_host(host: HostSample) -> dict[str, Value | None]:
    return {
        "host/cpu_percent": round(host.cpu_percent, 1),
        "host/load": round(host.load[0], 2),
        "host/memory": host.memory,
        "host/memory_total": host.memory_total,
        "host/swap": host.swap,
        "host/disk_free": host.disk_free,
        "host/disk_read": _whole(host.disk_read),
        "host/disk_write": _whole(host.disk_write),
        "host/net_in": _whole(host.net_in),
        "host/net_out": _whole(host.net_out),
    }


def _of_card(card: GpuSample, tree: TreeSample) -> dict[str, Value | None]:
    at = f"gpu{card.index}"
    found: dict[str, Value | None] = {
        f"{at}/utilization": card.utilization,
        f"{at}/memory": card.memory,
        f"{at}/memory_total": card.memory_total,
        f"{at}/tree_memory": tree.gpu_memory_by_card.get(card.index),
        f"{at}/temperature": card.temperature,
        f"{at}/power": card.power,
        f"{at}/power_limit": card.power_limit,
        f"{at}/clock": card.clock,
        f"{at}/clock_max": card.clock_max,
        f"{at}/throttle": None if card.throttle is None else ", ".join(card.throttle),
        f"{at}/ecc_errors": card.ecc_errors or None,
    }
    for one in card.mig:
        found |= {f"{at}/mig{one.index}/memory": one.memory, f"{at}/mig{one.index}/memory_total": one.memory_total}
    return found


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
