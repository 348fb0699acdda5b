"""Who may start, and on which GPUs: decided from the queue and the cards alone, so that any process decides alike.

First come, first served: whoever stands ahead is given, in thought, what it could take, and only what is left may be
taken by those behind. So nobody overtakes on what another waits for, and a run that wants two GPUs is not starved by
those that want one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imgexp_tui.records.process_identity import Identity
from imgexp_tui.runner.queue.gpu_load import Card
from imgexp_tui.text import listed, memory

_FULL = 0.25
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
    supervisor: Identity
    gpus: int
    gpu_memory: int
    slots: int
    allowed: tuple[int, ...] | None = None
    held: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        return f"{self.version}/{self.run}"


def decide(me: Ticket, queue: Sequence[Ticket], cards: Sequence[Card]) -> tuple[int, ...] | str:
    """The GPUs that `me` may take now (none on a machine without, or where it wants none), or why it has to wait.

    Args:
        queue: every living ticket in order, `me` among them.
        cards: the GPUs of this machine.
    """
    mine = _wanted(me, cards)
    if _hopeless(me, cards):
        return f"it needs {me.gpus} GPUs, and of those here it may take {len(mine)}"
    desk, ahead = _Desk(queue, cards), 0
    for other in queue:
        if other.uuid == me.uuid:
            break
        if other.held is None and bool(_wanted(other, cards)) == bool(mine):
            ahead += 1
            desk.keep_for(other)
    if mine:
        free, busy = desk.sorted_out(me)
        if len(free) >= me.gpus:
            return tuple(sorted(free[: me.gpus]))
        why = "; ".join(_clause(on, reason) for reason, on in busy.items())
    else:
        here = desk.on_machine()
        if len(here) < _limit(me, here):
            return ()
        why = f"this machine {desk.occupied_by(here)}"
    return f"{why}, {ahead} ahead" if ahead else why


def _clause(on: list[str], reason: str) -> str:
    return f"GPU{'s' if len(on) > 1 else ''} {listed(on)} {reason}"


def _wanted(ticket: Ticket, cards: Sequence[Card]) -> list[Card]:
    """The cards that a ticket could be put on; [] for one that takes a place of the machine."""
    if not ticket.gpus:
        return []
    return [c for c in cards if ticket.allowed is None or c.index in ticket.allowed]


def _hopeless(ticket: Ticket, cards: Sequence[Card]) -> bool:
    """Whether this machine has GPUs, and too few of them for it."""
    return bool(ticket.gpus and cards) and len(_wanted(ticket, cards)) < ticket.gpus


def _limit(me: Ticket, here: Sequence[Ticket]) -> int:
    """How many may share: as many as each of them agrees to."""
    return min([me.slots, *(h.slots for h in here)])


class _Desk:
    """Who has what, those ahead of somebody included as if they had got theirs."""

    def __init__(self, queue: Sequence[Ticket], cards: Sequence[Card]) -> None:
        self._cards = cards
        self._holders = [t for t in queue if t.held is not None]
        self._waiting: set[str] = set()

    def keep_for(self, other: Ticket) -> None:
        """Set aside what `other`, who waits, could take."""
        if _hopeless(other, self._cards):
            return
        wanted = _wanted(other, self._cards)
        kept = tuple(self.sorted_out(other)[0][: other.gpus]) if wanted else ()
        if kept or not wanted:
            self._holders.append(replace(other, held=kept))
            self._waiting.add(other.uuid)

    def on_machine(self) -> list[Ticket]:
        """Those who have a place of the machine without a GPU."""
        return [h for h in self._holders if not h.held]

    def sorted_out(self, me: Ticket) -> tuple[list[int], dict[str, list[str]]]:
        """The cards that are free for `me`, the emptiest first; and the others by the reason."""
        free: list[tuple[int, int, int]] = []
        busy: dict[str, list[str]] = {}
        for card in _wanted(me, self._cards):
            here = [h for h in self._holders if card.index in (h.held or ())]
            if len(here) >= _limit(me, here):
                busy.setdefault(self.occupied_by(here), []).append(str(card.index))
            elif reason := _too_full(me, card, here):
                busy.setdefault(reason, []).append(str(card.index))
            else:
                free.append((len(here), card.used or 0, card.index))
        return [index for *_, index in sorted(free)], busy

    def occupied_by(self, here: Sequence[Ticket]) -> str:
        """Such as "busy with v3/20261124-081530-3fa2c1"."""
        running = [h.name for h in here if h.uuid not in self._waiting]
        return f"busy with {listed(running)}" if running else f"kept for {listed([h.name for h in here])}"


def _too_full(me: Ticket, card: Card, here: Sequence[Ticket]) -> str:
    """Why a card has no room for `me`; "" where it has. What others were promised counts, taken or not."""
    if card.total is None:
        return ""
    if me.gpu_memory:
        taken = max(card.used or 0, card.foreign + sum(h.gpu_memory for h in here))
        free = max(0, card.total - taken)
        return "" if free >= me.gpu_memory else f"too full: {memory(free)} free of {memory(me.gpu_memory)}"
    if card.foreign > _FULL * card.total:
        return f"busy with other people's processes ({memory(card.foreign, card.total)})"
    return ""


def held_by_card(queue: Sequence[Ticket]) -> Mapping[int, list[str]]:
    """Card → UUIDs of the runs that were given it."""
    found: dict[int, list[str]] = {}
    for ticket in queue:
        for index in ticket.held or ():
            found.setdefault(index, []).append(ticket.uuid)
    return found
