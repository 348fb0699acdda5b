"""The GPUs that runs are put on: how full each is, and how much of that is not ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.proc import read_environment, read_stat
from imgexp_tui.runner.supervisor.process_cleanup import RUN_UUID_VARIABLE


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """One GPU as it stands.

    Attributes:
        index: the driver's number (PCI order).
        total, used: bytes; None where the driver does not tell.
        used_by_others: bytes that processes hold which belong to no run of ours.
    """

    index: int
    total: int | None = None
    used: int | None = None
    used_by_others: int = 0


class GpuLoadSampler:
    """Looks at the GPUs of this machine."""

    def __init__(self) -> None:
        self._sampler = GpuSampler()

    def sample(self, run_uuids_by_gpu: Mapping[int, Collection[str]]) -> list[GpuLoad]:
        """Every GPU; [] without a driver.

        Args:
            run_uuids_by_gpu: card → UUIDs of the runs that were given it.
        """
        found = self._sampler.sample()
        processes = self._sampler.process_memory_by_gpu() if found else {}
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
            for card in found
        ]


def _used_by_others(used: int | None, by_pid: Mapping[int, int], run_uuids: Collection[str], *, shared: bool) -> int:
    """Bytes that others hold. In a container the pids may be the host's, which match nobody here: they count as ours
    where a run of ours has the card, as does memory that no process is named for."""
    if not by_pid:
        return 0 if shared else used or 0
    return sum(size for pid, size in by_pid.items() if not _belongs_to_run(pid, run_uuids, shared=shared))


def _belongs_to_run(pid: int, run_uuids: Collection[str], *, shared: bool) -> bool:
    if read_stat(pid) is None:
        return shared
    marks = {f"{RUN_UUID_VARIABLE}={uuid}".encode() for uuid in run_uuids}
    return not marks.isdisjoint(read_environment(pid))
