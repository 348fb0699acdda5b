"""The versions beside the cursor are read before it comes to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.kept_rows import KeptRows
from imgexp_tui.tui.machine import MachineWatch
from imgexp_tui.tui.opening import opened
from imgexp_tui.tui.screens.main import MainScreen
from imgexp_tui.tui.watch import Watcher
from imgexp_tui.tui.widgets.panes import RunPane
from tests.conftest import NewLab
from tests.helpers import wait_until
from tests.support.recorded_runs import a_run

NAMES = [f"v{i}" for i in range(6)]


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab("".join(f"[versions.{name}]\n" for name in NAMES))
    for i, name in enumerate(NAMES[:-1]):
        a_run(lab, name, "20260101-000000-aaaaaa", [0.5 - 0.01 * i, 0.6])
    return lab


@pytest.fixture
def watcher(lab: Path) -> Iterator[Watcher]:
    one = Watcher(lab, opened(lab), lambda: None, kept=KeptRows(lab))
    yield one
    one.stop()


def test_the_next_two_and_the_one_before_are_there(watcher: Watcher) -> None:
    watcher.show("v2")
    watcher.start()
    wait_until(lambda: watcher.ahead("v3") is not None)
    for name in ("v1", "v3", "v4"):
        ahead = watcher.ahead(name)
        assert ahead and ahead.shown == name and ahead.run
        assert ahead.run.version == name
        assert ahead.run.curves
    assert watcher.ahead("v2") is None, "its own look is the newest"
    assert watcher.ahead("v0") is None


def test_a_machine_that_cannot_be_watched_is_told_and_runs_are_followed(
    watcher: Watcher, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: MachineWatch, lab: Path) -> None:
        raise OSError("no /proc here")

    monkeypatch.setattr(MachineWatch, "__init__", broken)
    watcher.show("v2")
    watcher.start()
    wait_until(lambda: "no /proc here" in watcher.take().trouble)
    a_run(lab, NAMES[-1], "20260101-000000-bbbbbb", [0.1])
    wait_until(lambda: watcher.take().rows[NAMES[-1]].runs == 1)


def test_upwards_it_looks_upwards(watcher: Watcher) -> None:
    watcher.show("v4")
    watcher.start()
    wait_until(lambda: watcher.ahead("v5") is not None)
    none = watcher.ahead("v5")
    assert none and none.run is None, "it has not run"
    watcher.show("v3")
    wait_until(lambda: watcher.ahead("v1") is not None)
    assert watcher.ahead("v5") is None


async def test_the_run_shows_with_the_key(lab: Path) -> None:
    app = LabApp(lab)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, MainScreen)
        await pilot.press("g")
        while not (screen._watcher and screen._watcher.ahead("v1")):
            await pilot.pause(0.02)
        # No message of the watcher's can come in between.
        screen.action_move(1)
        pane = screen.query_one(RunPane)
        assert screen._look.shown == "v0"
        assert any("0.49" in text for line in pane.lines for text, _ in line)
