"""The queue's screen: what it shows, and that its keys move and cancel real runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.launch import launch
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.queue import QueueScreen
from tests.conftest import NewLab
from tests.helpers import shows, until

NOTEBOOK = """
[defaults]
command = ["sleep", "600"]
[versions.v0]
summary = "Sleeps [/]."
[versions.v1]
[versions.v2]
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(NOTEBOOK, runs=True)


def places(pilot: Pilot[None]) -> list[str]:
    assert isinstance(pilot.app.screen, QueueScreen)
    return [one.version for one in pilot.app.screen._rows.items]


async def start(lab: Path, *versions: str) -> list[RunDir]:
    return [await asyncio.to_thread(launch, load_notebook(lab), version) for version in versions]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_queue_shows_who_waits_for_what(lab: Path, size: tuple[int, int]) -> None:
    first, *_ = await start(lab, "v0", "v1", "v2")
    async with LabApp(lab).run_test(size=size) as pilot:
        await shows(pilot, "● running", "queued")
        await pilot.press("Q")
        await shows(pilot, "1 running", "2 waiting", "this machine")
        await pilot.press("G")
        await shows(pilot, "v2/", f"busy with v0/{first.run_id}, 1")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, QueueScreen))
        assert pilot.app.screen._table.selected == "v2"  # type: ignore[attr-defined]


async def test_the_order_changes_by_a_key_and_the_cursor_stays_on_its_run(lab: Path) -> None:
    await start(lab, "v0", "v1", "v2")
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await pilot.press("Q")
        await until(pilot, lambda: places(pilot) == ["v0", "v1", "v2"])
        await pilot.press("G", "K")
        await until(pilot, lambda: places(pilot) == ["v0", "v2", "v1"])
        assert pilot.app.screen._rows.selected.version == "v2"  # type: ignore[attr-defined]


async def test_a_run_that_waits_is_cancelled_after_a_question(lab: Path) -> None:
    _, second = await start(lab, "v0", "v1")
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("Q")
        await until(pilot, lambda: places(pilot) == ["v0", "v1"])
        await pilot.press("j", "S")
        await shows(pilot, "out of the queue?")
        await pilot.press("n")
        await pilot.press("S")
        await shows(pilot, "out of the queue?")
        await pilot.press("y")
        await until(pilot, lambda: status(second).state is State.STOPPED)
        await until(pilot, lambda: places(pilot) == ["v0"])


async def test_an_empty_queue_says_what_to_do(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await pilot.press("Q")
        await shows(pilot, "Nothing runs and nothing waits")
        await pilot.press("S", "J", "enter", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, QueueScreen))


async def test_a_run_that_has_to_wait_says_so_when_it_is_started(lab: Path) -> None:
    await start(lab, "v0")
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "● running")
        await pilot.press("G")
        await until(pilot, lambda: pilot.app.screen._table.selected == "v2")  # type: ignore[attr-defined]
        await pilot.press("r")
        await shows(pilot, "v2 waits:", "busy with v0/")
