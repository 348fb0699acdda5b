"""Decides the queue's order: which run may start next, and on which GPUs.

The decision depends on the queue and the GPUs only, so every process decides the same. First come, first served: each
waiting run reserves what it could take, and runs behind it share what is left. So no run overtakes on a GPU that
another waits for, and runs that need one GPU do not starve a run that needs two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.runner.queue.gpu_load import GpuLoad
from imgexp_tui.text import format_memory, join_names

_FOREIGN_MEMORY_LIMIT = 0.25
"""The share of a GPU's memory that other people's processes may hold before the GPU counts as busy, if the run sets no
`gpu_memory`. A desktop with a browser stays below it; a training run does not."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A run's place in the queue of this machine.

    Attributes:
        uuid, version, run, path: the run; `path` is its folder.
        supervisor: the process that waits, and holds the GPUs.
        gpus, gpu_memory, slots: as in the request.
        allowed: indices of the GPUs that the run may use; None for any.
        held: the GPUs that the run has, () for a place without a GPU; None while it waits.
    """

    uuid: str
    version: str
    run: str
    path: str
    supervisor: ProcessIdentity
    gpus: int
    gpu_memory: int
    slots: int
    allowed: tuple[int, ...] | None = None
    held: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        return f"{self.version}/{self.run}"


def decide(ticket: Ticket, queue: Sequence[Ticket], gpus: Sequence[GpuLoad]) -> tuple[int, ...] | str:
    """Returns the GPUs that `ticket` may take now (() if it needs or the machine has none), or why it has to wait.

    Args:
        queue: every living ticket in order, `ticket` among them.
        gpus: the GPUs of this machine.
    """
    mine = _candidate_gpus(ticket, gpus)
    if _is_unsatisfiable(ticket, gpus):
        return f"it needs {ticket.gpus} GPUs, and of those here it may take {len(mine)}"
    allocation, ahead = _Allocation(queue, gpus), 0
    for other in queue:
        if other.uuid == ticket.uuid:
            break
        if other.held is None and bool(_candidate_gpus(other, gpus)) == bool(mine):
            ahead += 1
            allocation.reserve_for(other)
    if mine:
        free, busy = allocation.free_and_busy_gpus(ticket)
        if len(free) >= ticket.gpus:
            return tuple(sorted(free[: ticket.gpus]))
        why = "; ".join(_gpu_clause(on, reason) for reason, on in busy.items())
    else:
        here = allocation.holders_without_gpu()
        if len(here) < _sharing_limit(ticket, here):
            return ()
        why = f"this machine {allocation.describe_holders(here)}"
    return f"{why}, {ahead} ahead" if ahead else why


def _gpu_clause(gpus: list[str], reason: str) -> str:
    return f"GPU{'s' if len(gpus) > 1 else ''} {join_names(gpus)} {reason}"


def _candidate_gpus(ticket: Ticket, gpus: Sequence[GpuLoad]) -> list[GpuLoad]:
    """Returns the GPUs that a ticket could use; [] if it needs none."""
    if not ticket.gpus:
        return []
    return [c for c in gpus if ticket.allowed is None or c.index in ticket.allowed]


def _is_unsatisfiable(ticket: Ticket, gpus: Sequence[GpuLoad]) -> bool:
    """Returns whether this machine has GPUs, but too few for the ticket."""
    return bool(ticket.gpus and gpus) and len(_candidate_gpus(ticket, gpus)) < ticket.gpus


def _sharing_limit(ticket: Ticket, holders: Sequence[Ticket]) -> int:
    """Returns how many runs may share a GPU: the smallest `slots` of all of them."""
    return min([ticket.slots, *(h.slots for h in holders)])


class _Allocation:
    """Which run holds which GPUs, counting reservations of waiting runs as held."""

    def __init__(self, queue: Sequence[Ticket], gpus: Sequence[GpuLoad]) -> None:
        self._gpus = gpus
        self._holders = [t for t in queue if t.held is not None]
        self._waiting_uuids: set[str] = set()

    def reserve_for(self, ticket: Ticket) -> None:
        """Reserves what `ticket`, which waits, could take."""
        if _is_unsatisfiable(ticket, self._gpus):
            return
        wanted = _candidate_gpus(ticket, self._gpus)
        kept = tuple(self.free_and_busy_gpus(ticket)[0][: ticket.gpus]) if wanted else ()
        if kept or not wanted:
            self._holders.append(replace(ticket, held=kept))
            self._waiting_uuids.add(ticket.uuid)

    def holders_without_gpu(self) -> list[Ticket]:
        """Returns the tickets that hold a place without a GPU."""
        return [h for h in self._holders if not h.held]

    def free_and_busy_gpus(self, ticket: Ticket) -> tuple[list[int], dict[str, list[str]]]:
        """Returns the GPUs that are free for `ticket`, the emptiest first, and the others by reason."""
        free: list[tuple[int, int, int]] = []
        busy: dict[str, list[str]] = {}
        for card in _candidate_gpus(ticket, self._gpus):
            here = [h for h in self._holders if card.index in (h.held or ())]
            if len(here) >= _sharing_limit(ticket, here):
                busy.setdefault(self.describe_holders(here), []).append(str(card.index))
            elif reason := _full_reason(ticket, card, here):
                busy.setdefault(reason, []).append(str(card.index))
            else:
                free.append((len(here), card.used or 0, card.index))
        return [index for *_, index in sorted(free)], busy

    def describe_holders(self, holders: Sequence[Ticket]) -> str:
        """Returns text such as "busy with v3/20261124-081530-3fa2c1"."""
        running = [h.name for h in holders if h.uuid not in self._waiting_uuids]
        return f"busy with {join_names(running)}" if running else f"kept for {join_names([h.name for h in holders])}"


def _full_reason(ticket: Ticket, gpu: GpuLoad, holders: Sequence[Ticket]) -> str:
    """Returns why a GPU has no room for `ticket`; "" if it has. Memory promised to others counts, used or not."""
    if gpu.total is None:
        return ""
    if ticket.gpu_memory:
        occupied = max(gpu.used or 0, gpu.used_by_others + sum(h.gpu_memory for h in holders))
        free = max(0, gpu.total - occupied)
        return (
            ""
            if free >= ticket.gpu_memory
            else f"too full: {format_memory(free)} free of {format_memory(ticket.gpu_memory)}"
        )
    if gpu.used_by_others > _FOREIGN_MEMORY_LIMIT * gpu.total:
        return f"busy with other people's processes ({format_memory(gpu.used_by_others, gpu.total)})"
    return ""


def run_uuids_by_gpu(queue: Sequence[Ticket]) -> Mapping[int, list[str]]:
    """Returns GPU → UUIDs of the runs that hold it."""
    by_gpu: dict[int, list[str]] = {}
    for ticket in queue:
        for index in ticket.held or ():
            by_gpu.setdefault(index, []).append(ticket.uuid)
    return by_gpu
