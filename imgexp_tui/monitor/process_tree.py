"""Samples what one run uses of the machine: a process and all processes below it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from imgexp_tui.monitor.io_rates import RateMeter
from imgexp_tui.monitor.proc import ProcessStat, descendants, process_disk_bytes, read_pss, read_stat
from imgexp_tui.monitor.samples import TreeSample

_MEMBERS_INTERVAL = 5.0
"""Seconds between two searches for new processes."""
_PSS_INTERVAL = 15.0
"""Least seconds between two readings of what the processes share; see `TreeSampler._read_shares`."""
_PSS_COST_FACTOR = 1000.0
"""A reading that took t seconds is not done again for this many times t."""


class TreeSampler:
    """Samples the processes below `pid`, and that one too unless `include_root` is False.

    The supervisor is the subreaper of its run: with `include_root=False` it samples all processes that the run started.
    """

    def __init__(self, pid: int, *, include_root: bool = True) -> None:
        self._pid, self._include_root = pid, include_root
        self._members: list[int] = []
        self._members_due = self._shares_due = 0.0
        self._cpu_seconds: dict[tuple[int, int], float] = {}
        self._shared: dict[tuple[int, int], int] = {}
        self._io_rates = RateMeter()
        self._last_sample_time = time.monotonic()

    def sample(self, process_memory_by_gpu: Mapping[int, Mapping[int, int]] | None = None) -> TreeSample:
        """Returns a sample of the processes; CPU percent since the previous call.

        Args:
            process_memory_by_gpu: GPU → pid → bytes, as `GpuSampler.process_memory_by_gpu` returns it.
        """
        now = time.monotonic()
        members = self._living_members(now)
        by_card = _memory_by_gpu(process_memory_by_gpu or {}, {m.pid for m in members})
        passed, self._last_sample_time = now - self._last_sample_time, now
        memory = self._memory(members, now)
        read, write = self._disk_rates(members)
        return TreeSample(
            cpu_percent=self._cpu_percent(members, passed),
            memory=memory,
            processes=len(members),
            gpu_memory=sum(by_card.values()) if by_card else None,
            memory_by_gpu=by_card,
            shared=sum(m.rss for m in members) - memory,
            read=read,
            write=write,
        )

    def _living_members(self, now: float) -> list[ProcessStat]:
        if now >= self._members_due:
            self._members_due = now + _MEMBERS_INTERVAL
            self._members = [*([self._pid] if self._include_root else []), *descendants(self._pid)]
        living = [s for pid in self._members if (s := read_stat(pid)) and not s.zombie]
        self._members = [s.pid for s in living]
        return living

    def _disk_rates(self, members: list[ProcessStat]) -> tuple[float | None, float | None]:
        """Returns the bytes a second from and to disks, of the whole tree.

        When a process is reaped, the kernel adds its counts to those of its parent.
        """
        counters = [io for m in members if (io := process_disk_bytes(m.pid))]
        if members and not counters:  # they belong to another user
            return None, None
        read, written = self._io_rates((sum(io[0] for io in counters), sum(io[1] for io in counters))) or (None, None)
        return read, written

    def _cpu_percent(self, members: list[ProcessStat], elapsed: float) -> float:
        before, self._cpu_seconds = self._cpu_seconds, {(m.pid, m.start_ticks): m.cpu_seconds for m in members}
        # A new process counts from the next sample on: its CPU time so far was used before this interval.
        used = sum(cpu - before[key] for key, cpu in self._cpu_seconds.items() if key in before)
        return 100.0 * used / elapsed if elapsed > 0 else 0.0

    def _memory(self, members: list[ProcessStat], now: float) -> int:
        if len(members) > 1 and now >= self._shares_due:
            self._shares_due = now + max(_PSS_INTERVAL, _PSS_COST_FACTOR * self._read_shares(members))
        return sum(max(0, m.rss - self._shared.get((m.pid, m.start_ticks), 0)) for m in members)

    def _read_shares(self, members: list[ProcessStat]) -> float:
        """Reads how much of each process's resident memory is shared, and returns the seconds that this took.

        Between two reads, resident memory changes while the shared part is assumed constant.
        """
        start = time.monotonic()
        self._shared = {
            (m.pid, m.start_ticks): max(0, m.rss - own) for m in members if (own := read_pss(m.pid)) is not None
        }
        return time.monotonic() - start


def _memory_by_gpu(process_memory_by_gpu: Mapping[int, Mapping[int, int]], members: set[int]) -> dict[int, int]:
    memory = {}
    for card, processes in process_memory_by_gpu.items():
        own = [used for pid, used in processes.items() if pid in members]
        if own:
            memory[card] = sum(own)
    return memory
