"""Samples how full each GPU is, and how much of its memory belongs to no run of this user, for the scheduler."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.proc import read_environment, read_stat
from imgexp_tui.runner.supervisor.process_cleanup import RUN_UUID_VARIABLE


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """The memory of one GPU.

    Attributes:
        index: the driver's number (PCI order).
        total, used: bytes; None if the driver does not report it.
        used_by_others: bytes held by processes that belong to no run of this user.
    """

    index: int
    total: int | None = None
    used: int | None = None
    used_by_others: int = 0


class GpuLoadSampler:
    """Samples the GPUs of this machine."""

    def __init__(self) -> None:
        self._sampler = GpuSampler()

    def sample(self, run_uuids_by_gpu: Mapping[int, Collection[str]]) -> list[GpuLoad]:
        """Returns every GPU; [] without a driver.

        Args:
            run_uuids_by_gpu: GPU → UUIDs of the runs that hold it.
        """
        cards = self._sampler.sample()
        processes = self._sampler.process_memory_by_gpu() if cards else {}
        ours = {uuid for uuids in run_uuids_by_gpu.values() for uuid in uuids}
        return [
            GpuLoad(
                card.index,
                card.memory_total,
                card.memory,
                _used_by_others(
                    card.memory, processes.get(card.index, {}), ours, shared=bool(run_uuids_by_gpu.get(card.index))
                ),
            )
            for card in cards
        ]


def _used_by_others(used: int | None, by_pid: Mapping[int, int], run_uuids: Collection[str], *, shared: bool) -> int:
    """Returns the bytes that other processes hold.

    In a container the driver may report the host's pids, which match no process here. They count as the user's own if a
    run holds the GPU; so does memory for which the driver names no process.
    """
    if not by_pid:
        return 0 if shared else used or 0
    return sum(size for pid, size in by_pid.items() if not _belongs_to_run(pid, run_uuids, shared=shared))


def _belongs_to_run(pid: int, run_uuids: Collection[str], *, shared: bool) -> bool:
    if read_stat(pid) is None:
        return shared
    marks = {f"{RUN_UUID_VARIABLE}={uuid}".encode() for uuid in run_uuids}
    return not marks.isdisjoint(read_environment(pid))
