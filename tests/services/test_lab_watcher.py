"""The versions beside the cursor are read before it comes to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgexp_tui.app_log import log_path
from imgexp_tui.services.lab_watcher import LabWatcher
from imgexp_tui.services.machine import MachineSampler
from imgexp_tui.services.notebook_reader import read_notebook
from imgexp_tui.services.row_cache import RowCache
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.widgets.main.panes import RunPane
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
def watcher(lab: Path) -> Iterator[LabWatcher]:
    one = LabWatcher(lab, read_notebook(lab), lambda: None, row_cache=RowCache(lab))
    yield one
    one.stop()


def test_the_next_two_and_the_one_before_are_there(watcher: LabWatcher) -> None:
    watcher.select_version("v2")
    watcher.start()
    wait_until(lambda: watcher.prefetched("v3") is not None)
    for name in ("v1", "v3", "v4"):
        ahead = watcher.prefetched(name)
        assert ahead and ahead.displayed_version == name and ahead.run
        assert ahead.run.version == name
        assert ahead.run.curves
    assert watcher.prefetched("v2") is None, "its own look is the newest"
    assert watcher.prefetched("v0") is None


def test_a_machine_that_cannot_be_watched_is_told_and_runs_are_followed(
    watcher: LabWatcher, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: MachineSampler, lab: Path) -> None:
        raise OSError("no /proc here")

    monkeypatch.setattr(MachineSampler, "__init__", broken)
    watcher.select_version("v2")
    watcher.start()
    wait_until(lambda: "no /proc here" in watcher.latest().problem)
    a_run(lab, NAMES[-1], "20260101-000000-bbbbbb", [0.1])
    wait_until(lambda: watcher.latest().rows[NAMES[-1]].runs == 1)
    log = log_path().read_text()
    assert f"polling the lab {lab} failed" in log and "in broken" in log and "OSError: no /proc here" in log


def test_upwards_it_looks_upwards(watcher: LabWatcher) -> None:
    watcher.select_version("v4")
    watcher.start()
    wait_until(lambda: watcher.prefetched("v5") is not None)
    none = watcher.prefetched("v5")
    assert none and none.run is None, "it has not run"
    watcher.select_version("v3")
    wait_until(lambda: watcher.prefetched("v1") is not None)
    assert watcher.prefetched("v5") is None


async def test_the_run_shows_with_the_key(lab: Path) -> None:
    app = LabApp(lab)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, MainScreen)
        await pilot.press("g")
        while not (screen._state.watcher and screen._state.watcher.prefetched("v1")):
            await pilot.pause(0.02)
        # No message of the watcher's can come in between.
        screen.action_move(1)
        pane = screen.query_one(RunPane)
        assert screen._snapshot.displayed_version == "v0"
        assert any("0.49" in text for line in pane.lines for text, _ in line)
