"""A run's own share of the machine: a process and all that it started."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from imgexp_tui.monitor.io_rates import Rates
from imgexp_tui.monitor.proc import Stat, descendants, disk_bytes, pss, stat
from imgexp_tui.monitor.samples import TreeSample

_MEMBERS_PACE = 5.0
"""Seconds between two searches for new processes."""
_PSS_PACE = 15.0
"""Least seconds between two readings of what the processes share; see `TreeSampler._read_shares`."""
_PSS_COST = 1000.0
"""A reading that took t seconds is not done again for this many times t."""


class TreeSampler:
    """Samples the processes below `pid`, and that one too unless `itself` is False.

    The supervisor is the subreaper of its run, so that with `itself=False` it sees everything that the run started.

    Attributes:
        without: processes that do not belong to it, with all that is below them.
    """

    def __init__(self, pid: int, *, itself: bool = True) -> None:
        self._pid, self._itself = pid, itself
        self.without: Collection[int] = ()
        self._members: list[int] = []
        self._members_due = self._shares_due = 0.0
        self._cpu: dict[tuple[int, int], float] = {}
        self._shared: dict[tuple[int, int], int] = {}
        self._io = Rates()
        self._when = time.monotonic()

    def sample(self, gpu: Mapping[int, Mapping[int, int]] | None = None) -> TreeSample:
        """The processes now; CPU percent since the call before.

        Args:
            gpu: card → pid → bytes, as `GpuSampler.processes_by_card` gives it.
        """
        now = time.monotonic()
        members = self._find(now)
        by_card = _by_card(gpu or {}, {m.pid for m in members})
        passed, self._when = now - self._when, now
        memory = self._memory(members, now)
        read, write = self._traffic(members)
        return TreeSample(
            cpu_percent=self._cpu_percent(members, passed),
            memory=memory,
            processes=len(members),
            gpu_memory=sum(by_card.values()) if by_card else None,
            gpu_memory_by_card=by_card,
            shared=sum(m.rss for m in members) - memory,
            read=read,
            write=write,
        )

    def _find(self, now: float) -> list[Stat]:
        if now >= self._members_due:
            self._members_due = now + _MEMBERS_PACE
            self._members = [*([self._pid] if self._itself else []), *descendants(self._pid, self.without)]
        found = [s for pid in self._members if (s := stat(pid)) and not s.zombie]
        self._members = [s.pid for s in found]
        return found

    def _traffic(self, members: list[Stat]) -> tuple[float | None, float | None]:
        """Bytes a second from and to disks.

        Of the tree as a whole: when a process is collected, the kernel adds what it did to its parent's count.
        """
        found = [io for m in members if (io := disk_bytes(m.pid))]
        if members and not found:  # they are another user's
            return None, None
        read, written = self._io((sum(io[0] for io in found), sum(io[1] for io in found))) or (None, None)
        return read, written

    def _cpu_percent(self, members: list[Stat], passed: float) -> float:
        before, self._cpu = self._cpu, {(m.pid, m.start_ticks): m.cpu for m in members}
        # A process that is seen for the first time counts from the next look on: what it used before is not of now.
        used = sum(cpu - before[key] for key, cpu in self._cpu.items() if key in before)
        return 100.0 * used / passed if passed > 0 else 0.0

    def _memory(self, members: list[Stat], now: float) -> int:
        if len(members) > 1 and now >= self._shares_due:
            self._shares_due = now + max(_PSS_PACE, _PSS_COST * self._read_shares(members))
        return sum(max(0, m.rss - self._shared.get((m.pid, m.start_ticks), 0)) for m in members)

    def _read_shares(self, members: list[Stat]) -> float:
        """Note how much of each process's resident memory is counted with another; how many seconds it took.

        Between two of these readings, resident memory moves and the shared part is taken as it was.
        """
        start = time.monotonic()
        self._shared = {(m.pid, m.start_ticks): max(0, m.rss - own) for m in members if (own := pss(m.pid)) is not None}
        return time.monotonic() - start


def _by_card(gpu: Mapping[int, Mapping[int, int]], members: set[int]) -> dict[int, int]:
    found = {}
    for card, processes in gpu.items():
        own = [used for pid, used in processes.items() if pid in members]
        if own:
            found[card] = sum(own)
    return found
