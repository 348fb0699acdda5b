"""The GPUs that runs are put on: how full each is, and how much of that is not ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.proc import environment, stat
from imgexp_tui.runner.supervisor.process_cleanup import MARK


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU as it stands.

    Attributes:
        index: the driver's number (PCI order).
        total, used: bytes; None where the driver does not tell.
        foreign: bytes that processes hold which belong to no run of ours.
    """

    index: int
    total: int | None = None
    used: int | None = None
    foreign: int = 0


class Cards:
    """Looks at the GPUs of this machine."""

    def __init__(self) -> None:
        self._sampler = GpuSampler()

    def look(self, held: Mapping[int, Collection[str]]) -> list[Card]:
        """Every GPU; [] without a driver.

        Args:
            held: card → UUIDs of the runs that were given it.
        """
        found = self._sampler.sample()
        processes = self._sampler.processes_by_card() if found else {}
        ours = {uuid for uuids in held.values() for uuid in uuids}
        return [
            Card(
                card.index,
                card.memory_total,
                card.memory,
                _foreign(card.memory, processes.get(card.index, {}), ours, shared=bool(held.get(card.index))),
            )
            for card in found
        ]


def _foreign(used: int | None, by_pid: Mapping[int, int], ours: Collection[str], *, shared: bool) -> int:
    """Bytes that others hold. In a container the pids may be the host's, which match nobody here: they count as ours
    where a run of ours has the card, as does memory that no process is named for."""
    if not by_pid:
        return 0 if shared else used or 0
    return sum(size for pid, size in by_pid.items() if not _is_ours(pid, ours, shared=shared))


def _is_ours(pid: int, ours: Collection[str], *, shared: bool) -> bool:
    if stat(pid) is None:
        return shared
    marks = {f"{MARK}={uuid}".encode() for uuid in ours}
    return not marks.isdisjoint(environment(pid))
