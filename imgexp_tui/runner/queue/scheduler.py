"""Who may start, and on which GPUs: decided from the queue and the cards alone, so that any process decides alike.

First come, first served: whoever stands ahead is given, in thought, what it could take, and only what is left may be
taken by those behind. So nobody overtakes on what another waits for, and a run that wants two GPUs is not starved by
those that want one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.runner.queue.gpu_load import GpuLoad
from imgexp_tui.text import format_memory, join_names

_FOREIGN_MEMORY_LIMIT = 0.25
"""Share of a GPU's memory from which it counts as filled by other people's processes, where no `gpu_memory` is asked:
a desktop with its browser stays below it on a card that trains, a training does not."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A run's place in the queue of this machine.

    Attributes:
        uuid, version, run, path: the run; `path` is its folder.
        supervisor: who waits, and holds what was given.
        gpus, gpu_memory, slots: as in the request.
        allowed: indices of the GPUs that it may be put on; None for any.
        held: the GPUs that it was given, [] for a place without one; None while it waits.
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
    """The GPUs that `ticket` may take now (none on a machine without, or where it wants none), or why it has to wait.

    Args:
        queue: every living ticket in order, `ticket` among them.
        gpus: the GPUs of this machine.
    """
    mine = _candidate_gpus(ticket, gpus)
    if _is_unsatisfiable(ticket, gpus):
        return f"it needs {ticket.gpus} GPUs, and of those here it may take {len(mine)}"
    desk, ahead = _Allocation(queue, gpus), 0
    for other in queue:
        if other.uuid == ticket.uuid:
            break
        if other.held is None and bool(_candidate_gpus(other, gpus)) == bool(mine):
            ahead += 1
            desk.reserve_for(other)
    if mine:
        free, busy = desk.free_and_busy_gpus(ticket)
        if len(free) >= ticket.gpus:
            return tuple(sorted(free[: ticket.gpus]))
        why = "; ".join(_gpu_clause(on, reason) for reason, on in busy.items())
    else:
        here = desk.holders_without_gpu()
        if len(here) < _sharing_limit(ticket, here):
            return ()
        why = f"this machine {desk.describe_holders(here)}"
    return f"{why}, {ahead} ahead" if ahead else why


def _gpu_clause(gpus: list[str], reason: str) -> str:
    return f"GPU{'s' if len(gpus) > 1 else ''} {join_names(gpus)} {reason}"


def _candidate_gpus(ticket: Ticket, gpus: Sequence[GpuLoad]) -> list[GpuLoad]:
    """The cards that a ticket could be put on; [] for one that takes a place of the machine."""
    if not ticket.gpus:
        return []
    return [c for c in gpus if ticket.allowed is None or c.index in ticket.allowed]


def _is_unsatisfiable(ticket: Ticket, gpus: Sequence[GpuLoad]) -> bool:
    """Whether this machine has GPUs, and too few of them for it."""
    return bool(ticket.gpus and gpus) and len(_candidate_gpus(ticket, gpus)) < ticket.gpus


def _sharing_limit(ticket: Ticket, holders: Sequence[Ticket]) -> int:
    """How many may share: as many as each of them agrees to."""
    return min([ticket.slots, *(h.slots for h in holders)])


class _Allocation:
    """Who has what, those ahead of somebody included as if they had got theirs."""

    def __init__(self, queue: Sequence[Ticket], gpus: Sequence[GpuLoad]) -> None:
        self._gpus = gpus
        self._holders = [t for t in queue if t.held is not None]
        self._waiting_uuids: set[str] = set()

    def reserve_for(self, ticket: Ticket) -> None:
        """Set aside what `ticket`, who waits, could take."""
        if _is_unsatisfiable(ticket, self._gpus):
            return
        wanted = _candidate_gpus(ticket, self._gpus)
        kept = tuple(self.free_and_busy_gpus(ticket)[0][: ticket.gpus]) if wanted else ()
        if kept or not wanted:
            self._holders.append(replace(ticket, held=kept))
            self._waiting_uuids.add(ticket.uuid)

    def holders_without_gpu(self) -> list[Ticket]:
        """Those who have a place of the machine without a GPU."""
        return [h for h in self._holders if not h.held]

    def free_and_busy_gpus(self, ticket: Ticket) -> tuple[list[int], dict[str, list[str]]]:
        """The cards that are free for `ticket`, the emptiest first; and the others by the reason."""
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
        """Such as "busy with v3/20261124-081530-3fa2c1"."""
        running = [h.name for h in holders if h.uuid not in self._waiting_uuids]
        return f"busy with {join_names(running)}" if running else f"kept for {join_names([h.name for h in holders])}"


def _full_reason(ticket: Ticket, gpu: GpuLoad, holders: Sequence[Ticket]) -> str:
    """Why a card has no room for `ticket`; "" where it has. What others were promised counts, taken or not."""
    if gpu.total is None:
        return ""
    if ticket.gpu_memory:
        taken = max(gpu.used or 0, gpu.used_by_others + sum(h.gpu_memory for h in holders))
        free = max(0, gpu.total - taken)
        return (
            ""
            if free >= ticket.gpu_memory
            else f"too full: {format_memory(free)} free of {format_memory(ticket.gpu_memory)}"
        )
    if gpu.used_by_others > _FOREIGN_MEMORY_LIMIT * gpu.total:
        return f"busy with other people's processes ({format_memory(gpu.used_by_others, gpu.total)})"
    return ""


def run_uuids_by_gpu(queue: Sequence[Ticket]) -> Mapping[int, list[str]]:
    """Card → UUIDs of the runs that were given it."""
    found: dict[int, list[str]] = {}
    for ticket in queue:
        for index in ticket.held or ():
            found.setdefault(index, []).append(ticket.uuid)
    return found
