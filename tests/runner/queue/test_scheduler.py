"""Who may start, decided from queue and cards alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.runner.queue.gpu_load import GpuLoad
from imgexp_tui.runner.queue.scheduler import Ticket, decide

GIGA = 10**9
ME = ProcessIdentity(1, 1, "boot", "here")


def ticket(name: str, gpus: int = 1, **more: object) -> Ticket:
    values: dict[str, object] = {"gpu_memory": 0, "slots": 1} | more
    return Ticket(name, name, "x", f"/{name}", ME, gpus, **values)  # type: ignore[arg-type]


def card(index: int, used: int = 0, foreign: int = 0) -> GpuLoad:
    return GpuLoad(index, 8 * GIGA, used * GIGA, foreign * GIGA)


tickets = st.builds(
    ticket,
    name=st.just(""),
    gpus=st.integers(0, 3),
    slots=st.integers(1, 3),
    gpu_memory=st.sampled_from([0, 2 * GIGA, 5 * GIGA]),
    allowed=st.sampled_from([None, None, (0,), (0, 1)]),
)


@given(st.lists(tickets, max_size=8), st.integers(0, 3), st.randoms())
def test_whatever_comes_and_goes_nobody_has_too_much_and_somebody_gets_on(
    asked: list[Ticket], cards_here: int, random: object
) -> None:
    """All supervisors look again and again; runs end in any order. Each run that can ever start has its turn."""
    cards = [card(i) for i in range(cards_here)]
    queue = [replace(t, uuid=str(i), version=str(i)) for i, t in enumerate(asked)]
    waiting, served = {t.uuid for t in queue}, set()
    hopeless = {t.uuid for t in queue if t.gpus and cards and len(_may(t, cards)) < t.gpus}
    while True:
        granted = True
        while granted:
            granted = False
            order = [t for t in queue if t.held is None]
            random.shuffle(order)  # type: ignore[attr-defined]
            for one in order:
                found = decide(one, queue, cards)
                if not isinstance(found, str):
                    queue = [replace(t, held=found) if t.uuid == one.uuid else t for t in queue]
                    waiting.discard(one.uuid)
                    granted = True
                    _check(queue, cards)
        running = [t for t in queue if t.held is not None]
        if not running:
            break
        ends = random.choice(running)  # type: ignore[attr-defined]
        served.add(ends.uuid)
        queue = [t for t in queue if t.uuid != ends.uuid]
    assert waiting == hopeless
    assert served == {str(i) for i in range(len(asked))} - hopeless


def _may(one: Ticket, cards: Sequence[GpuLoad]) -> list[GpuLoad]:
    return [c for c in cards if one.allowed is None or c.index in one.allowed]


def _check(queue: Sequence[Ticket], cards: Sequence[GpuLoad]) -> None:
    for index in [c.index for c in cards]:
        here = [t for t in queue if index in (t.held or ())]
        assert len(here) <= min([t.slots for t in here], default=0) or not here
        assert sum(t.gpu_memory for t in here) <= 8 * GIGA
    for one in queue:
        if one.held:
            assert len(set(one.held)) == one.gpus and set(one.held) <= {c.index for c in _may(one, cards)}
    machine = [t for t in queue if t.held == ()]
    assert len(machine) <= min([t.slots for t in machine], default=0) or not machine


def test_first_come_first_served() -> None:
    first, second = ticket("a"), ticket("b")
    assert decide(first, [first, second], [card(0)]) == (0,)
    assert decide(second, [first, second], [card(0)]) == "GPU 0 kept for a/x, 1 ahead"
    assert decide(second, [second, first], [card(0)]) == (0,)


def test_a_run_for_the_cpu_does_not_wait_for_gpus() -> None:
    busy, cpu = ticket("a", held=(0,)), ticket("c", gpus=0)
    assert decide(cpu, [busy, ticket("b"), cpu], [card(0)]) == ()


@pytest.mark.parametrize(
    ("cards", "memory", "found"),
    [
        ([card(0, used=3, foreign=3), card(1)], 0, (1,)),
        ([card(0, used=3, foreign=3)], 0, "GPU 0 busy with other people's processes (2,861/7,629 MB)"),
        ([card(0, used=3, foreign=3)], 5 * GIGA, (0,)),
        ([card(0, used=4, foreign=4)], 5 * GIGA, "GPU 0 too full: 3,815 MB free of 4,768 MB"),
        ([GpuLoad(0)], 5 * GIGA, (0,)),  # a card that does not tell its memory
    ],
)
def test_what_others_fill(cards: list[GpuLoad], memory: int, found: object) -> None:
    me = ticket("a", gpu_memory=memory)
    assert decide(me, [me], cards) == found
