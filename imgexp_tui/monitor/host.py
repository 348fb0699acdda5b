"""The machine's gauges, by psutil.

CPU percentages are taken between two of our own looks: psutil's `cpu_percent` keeps its last look per thread, and
the app samples from a pool of threads.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from imgexp_tui.monitor.io_rates import Rates, disk_bytes, disk_of, net_bytes
from imgexp_tui.monitor.samples import HostSample

_DISK_PACE = 10.0
"""Seconds between two looks at the disk, which may lie on a network."""


class HostSampler:
    """Samples this machine, and the disk that holds `lab`."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab
        self._times = _cpu_times()
        self._percent: tuple[float, ...] = (0.0,) * len(self._times)
        self._disk: tuple[int | None, int | None] = (None, None)
        self._disk_due = 0.0
        self._device: Path | None = None
        self._disk_rates, self._net_rates = Rates(), Rates()
        self._traffic()

    def sample(self) -> HostSample:
        """The machine now; CPU percentages since the call before (the first: since this object was made)."""
        self._percent = self._cpu_percent()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        free, total = self._look_at_disk()
        disk_read, disk_write, net_in, net_out = self._traffic()
        return HostSample(
            cpu_percent=sum(self._percent) / max(1, len(self._percent)),
            per_core=self._percent,
            load=os.getloadavg(),
            memory=memory.total - memory.available,
            memory_total=memory.total,
            swap=swap.used,
            disk_free=free,
            disk_total=total,
            swap_total=swap.total,
            disk_read=disk_read,
            disk_write=disk_write,
            net_in=net_in,
            net_out=net_out,
        )

    def _cpu_percent(self) -> tuple[float, ...]:
        before, self._times = self._times, _cpu_times()
        if len(before) != len(self._times):  # a core came or went
            return (0.0,) * len(self._times)
        return tuple(
            _share(now[0] - then[0], now[1] - then[1], last)
            for now, then, last in zip(self._times, before, self._percent, strict=True)
        )

    def _look_at_disk(self) -> tuple[int | None, int | None]:
        if (now := time.monotonic()) >= self._disk_due:
            self._disk_due = now + _DISK_PACE
            self._device = disk_of(self._lab)  # also the mount may have changed
            try:
                found = os.statvfs(self._lab)
                self._disk = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
            except OSError:
                self._disk = None, None
        return self._disk

    def _traffic(self) -> tuple[float | None, ...]:
        """Bytes a second read, written, received and sent."""
        if self._device is None:
            self._look_at_disk()
        disk, net = self._disk_rates(disk_bytes(self._device)), self._net_rates(net_bytes())
        return (*(disk or (None, None)), *(net or (None, None)))


def _share(busy: float, total: float, last: float) -> float:
    """Percent; two looks within one clock tick tell nothing new."""
    return min(100.0, max(0.0, 100.0 * busy / total)) if total > 0 else last


def _cpu_times() -> list[tuple[float, float]]:
    """Seconds busy and seconds in all, for each core. Guest time is part of user time (man 5 proc)."""
    times = []
    for core in psutil.cpu_times(percpu=True):
        total = sum(core) - getattr(core, "guest", 0.0) - getattr(core, "guest_nice", 0.0)
        times.append((total - core.idle - getattr(core, "iowait", 0.0), total))
    return times
