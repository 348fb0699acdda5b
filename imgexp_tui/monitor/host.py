"""Samples the host: CPU, memory, disk and network, with psutil.

CPU percentages are computed here between two samples: psutil's `cpu_percent` stores its last sample per thread, and
the app samples from a pool of threads.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from imgexp_tui.monitor.io_rates import RateMeter, disk_bytes, disk_stat_file, net_bytes
from imgexp_tui.monitor.samples import HostSample

_DISK_INTERVAL = 10.0
"""Seconds between two reads of the disk's free space; the disk may be on a network."""


class HostSampler:
    """Samples this machine, and the disk that holds `lab`."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab
        self._last_cpu_times = _cpu_times()
        self._core_percents: tuple[float, ...] = (0.0,) * len(self._last_cpu_times)
        self._disk_free_and_total: tuple[int | None, int | None] = (None, None)
        self._disk_due = 0.0
        self._disk_stat_file: Path | None = None
        self._disk_rates, self._net_rates = RateMeter(), RateMeter()
        self._io_rates()

    def sample(self) -> HostSample:
        """Returns a sample; CPU percentages since the previous call (the first: since this object was made)."""
        self._core_percents = self._cpu_percent()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        free, total = self._read_disk_space()
        disk_read, disk_write, net_in, net_out = self._io_rates()
        return HostSample(
            cpu_percent=sum(self._core_percents) / max(1, len(self._core_percents)),
            per_core=self._core_percents,
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
        before, self._last_cpu_times = self._last_cpu_times, _cpu_times()
        if len(before) != len(self._last_cpu_times):  # a core came or went
            return (0.0,) * len(self._last_cpu_times)
        return tuple(
            _busy_percent(now[0] - earlier[0], now[1] - earlier[1], last)
            for now, earlier, last in zip(self._last_cpu_times, before, self._core_percents, strict=True)
        )

    def _read_disk_space(self) -> tuple[int | None, int | None]:
        if (now := time.monotonic()) >= self._disk_due:
            self._disk_due = now + _DISK_INTERVAL
            self._disk_stat_file = disk_stat_file(self._lab)  # also the mount may have changed
            try:
                space = os.statvfs(self._lab)
                self._disk_free_and_total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
            except OSError:
                self._disk_free_and_total = None, None
        return self._disk_free_and_total

    def _io_rates(self) -> tuple[float | None, ...]:
        """Returns the bytes a second read, written, received and sent."""
        if self._disk_stat_file is None:
            self._read_disk_space()
        disk, net = self._disk_rates(disk_bytes(self._disk_stat_file)), self._net_rates(net_bytes())
        return (*(disk or (None, None)), *(net or (None, None)))


def _busy_percent(busy: float, total: float, previous: float) -> float:
    """Returns busy time in percent; `previous` if both samples are from the same clock tick."""
    return min(100.0, max(0.0, 100.0 * busy / total)) if total > 0 else previous


def _cpu_times() -> list[tuple[float, float]]:
    """Returns the seconds busy and the seconds in all, for each core. Guest time is part of user time (man 5 proc)."""
    times = []
    for core in psutil.cpu_times(percpu=True):
        total = sum(core) - getattr(core, "guest", 0.0) - getattr(core, "guest_nice", 0.0)
        times.append((total - core.idle - getattr(core, "iowait", 0.0), total))
    return times
