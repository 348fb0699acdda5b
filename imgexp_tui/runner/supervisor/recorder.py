"""Records samples of a run's processes and of the machine in `system.jsonl`.

A sample is taken every second. A line is written every second at first and less often as the run grows old. A line that
merges several samples holds the highest memory and temperature, the mean of rates, power and CPU time, and the latest
of all other values: short peaks stay in the record, and the GPU's utilization keeps its swings, which a mean would
flatten. The samplers, which read the machine's values, are in `monitor/`.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.host import HostSampler
from imgexp_tui.monitor.process_tree import TreeSampler
from imgexp_tui.monitor.samples import GpuSample, HostSample, TreeSample
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import RunDir

_LINE_INTERVALS = ((600.0, 1.0), (7200.0, 5.0), (86400.0, 15.0), (float("inf"), 30.0))
"""Pairs of an age limit and the seconds between two lines up to that age. With one GPU this makes half a megabyte in
the first ten minutes, five in the first day, two in each later day."""
_SAMPLE_INTERVAL = 1.0
"""Seconds between two samples."""
_MAX_MERGED = ("memory", "shared", "tree_memory", "gpu_memory", "swap", "temperature", "processes")
_MEAN_MERGED = ("cpu_percent", "read", "write", "disk_read", "disk_write", "net_in", "net_out", "power")

SystemValue = float | str
SystemLine = dict[str, SystemValue]


def line_interval(age: float) -> float:
    """Returns the seconds between two lines of an attempt that is `age` seconds old."""
    return next(every for limit, every in _LINE_INTERVALS if age < limit)


class SystemRecorder:
    """Samples everything below this process, and the machine, into a run's `system.jsonl`.

    Attributes:
        due: when the next sample is due, on the monotonic clock.
    """

    def __init__(self, run: RunDir, lab: Path) -> None:
        self._writer = LineWriter(run.system)
        self._host = HostSampler(lab)
        self._gpu = GpuSampler()
        self._tree = TreeSampler(os.getpid(), include_root=False)
        self._samples: list[SystemLine] = []
        self._started = self.due = self._line_due = time.monotonic()

    def sample_if_due(self) -> None:
        """Takes a sample, and writes a line, if they are due. A full disk loses samples, never the run."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + _SAMPLE_INTERVAL
        self._samples.append(self._sample())
        if now >= self._line_due:
            # Half an interval early: the next sample may come slightly before its time.
            self._line_due = now + line_interval(now - self._started) - _SAMPLE_INTERVAL / 2
            self.flush()

    def flush(self) -> None:
        """Writes a line for the samples that are not in the file yet."""
        samples, self._samples = self._samples, []
        if samples:
            with contextlib.suppress(OSError):
                self._writer.write({"time": round(time.time(), 3), **merge_samples(samples)})

    def _sample(self) -> SystemLine:
        cards = self._gpu.sample()
        tree = self._tree.sample(self._gpu.process_memory_by_gpu() if cards else None)
        values = _tree_values(tree) | _host_values(self._host.sample())
        for card in cards:
            values |= _gpu_values(card, tree)
        return {name: value for name, value in values.items() if value is not None}


def merge_samples(samples: list[SystemLine]) -> SystemLine:
    """Returns one line that merges several samples."""
    merged = dict(samples[-1])
    for name in {name for sample in samples for name in sample}:
        kind = name.rpartition("/")[2]
        values = [v for sample in samples if isinstance(v := sample.get(name), int | float)]
        if kind in _MAX_MERGED:
            merged[name] = max(values)
        elif kind in _MEAN_MERGED:
            merged[name] = round(sum(values) / len(values), 1)
    return merged


def _tree_values(tree: TreeSample) -> dict[str, SystemValue | None]:
    return {
        "tree/cpu_percent": round(tree.cpu_percent, 1),
        "tree/memory": tree.memory,
        "tree/shared": tree.shared,
        "tree/processes": tree.processes,
        "tree/read": _round_or_none(tree.read),
        "tree/write": _round_or_none(tree.write),
        "tree/gpu_memory": tree.gpu_memory,
    }


def _host_values(host: HostSample) -> dict[str, SystemValue | None]:
    return {
        "host/cpu_percent": round(host.cpu_percent, 1),
        "host/load": round(host.load[0], 2),
        "host/memory": host.memory,
        "host/memory_total": host.memory_total,
        "host/swap": host.swap,
        "host/disk_free": host.disk_free,
        "host/disk_read": _round_or_none(host.disk_read),
        "host/disk_write": _round_or_none(host.disk_write),
        "host/net_in": _round_or_none(host.net_in),
        "host/net_out": _round_or_none(host.net_out),
    }


def _gpu_values(gpu: GpuSample, tree: TreeSample) -> dict[str, SystemValue | None]:
    at = f"gpu{gpu.index}"
    values: dict[str, SystemValue | None] = {
        f"{at}/utilization": gpu.utilization,
        f"{at}/memory": gpu.memory,
        f"{at}/memory_total": gpu.memory_total,
        f"{at}/tree_memory": tree.memory_by_gpu.get(gpu.index),
        f"{at}/temperature": gpu.temperature,
        f"{at}/power": gpu.power,
        f"{at}/power_limit": gpu.power_limit,
        f"{at}/clock": gpu.clock,
        f"{at}/clock_max": gpu.clock_max,
        f"{at}/throttle": None if gpu.throttle is None else ", ".join(gpu.throttle),
        f"{at}/ecc_errors": gpu.ecc_errors or None,
    }
    for one in gpu.mig:
        values |= {f"{at}/mig{one.index}/memory": one.memory, f"{at}/mig{one.index}/memory_total": one.memory_total}
    return values


def _round_or_none(value: float | None) -> int | None:
    return None if value is None else round(value)
