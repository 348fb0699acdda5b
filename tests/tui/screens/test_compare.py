"""The comparison's screens: marks, sorting, narrowing, side by side, and that nothing from outside breaks them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.compare import CompareScreen, CompareTable
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.screens.side_by_side import SideBySideScreen
from tests.conftest import NewLab
from tests.helpers import screen_text, until
from tests.support.recorded_runs import a_run

NOTEBOOK = """
[defaults]
data = "shapes"
[versions.v0]
takeaways = "- bigger [/] [bold"
[versions.v1]
base = "v0"
[versions.v1.train]
batch_size = 512
[versions.v2]
base = "v0"
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK)
    a_run(lab, "v0", "20260101-000000-aaaaaa", [0.6, 0.5, 0.4, 0.3])
    a_run(lab, "v1", "20260101-000000-bbbbbb", [0.4, 0.2])
    return lab


async def opened(pilot: Pilot[None]) -> CompareTable:
    await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen) and "finished" not in screen_text(pilot))
    await until(pilot, lambda: "0.2000" in screen_text(pilot))
    await pilot.press("d")
    await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and "best loss" in screen_text(pilot))
    return pilot.app.screen.query_one(CompareTable)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_marked_versions_stand_side_by_side(lab: Path, size: tuple[int, int]) -> None:
    async with LabApp(lab).run_test(size=size) as pilot:
        await opened(pilot)
        await pilot.press("u", "home", "space", "space", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SideBySideScreen) and "512" in screen_text(pilot))
        text = screen_text(pilot)
        assert "batch_size" in text
        assert "that are the same are left out" in text
        await pilot.press("a")
        await until(pilot, lambda: "image_size" in screen_text(pilot))
        await pilot.press("G")
        await until(pilot, lambda: "bigger [/] [bold" in screen_text(pilot))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))


async def test_a_version_and_its_base_are_marked_to_begin_with(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "0.2000" in screen_text(pilot))
        await pilot.press("home", "j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and "2 marked" in screen_text(pilot))
        assert pilot.app.screen.query_one(CompareTable).marked == ["v0", "v1"]
        assert pilot.app.screen.query_one(CompareTable).selected == "v1"


async def test_a_column_sorts_and_narrows(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 30)) as pilot:
        rows = await opened(pilot)
        while rows.columns[rows.active_column].name != "best loss":
            await pilot.press("right")
        await pilot.press("s")
        assert rows.items == ["v1", "v0", "v2"]
        await pilot.press("s")
        assert rows.items == ["v0", "v1", "v2"]
        await pilot.press("s")
        assert rows.items == ["v0", "v1", "v2"]
        assert rows.sorted_by is None
        while rows.columns[rows.active_column].name != "base":
            await pilot.press("right")
        await pilot.press("G", "f")
        assert rows.items == ["v1", "v2"]
        assert "where base is v0" in screen_text(pilot)
        await pilot.press("f")
        assert rows.items == ["v0", "v1", "v2"]


async def test_one_version_is_no_versions(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text("[versions.v0]\n")
    async with LabApp(tmp_path).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no run" in screen_text(pilot))
        await pilot.press("d")
        await until(pilot, lambda: "Compare 1 version " in screen_text(pilot))


async def test_o_goes_to_the_version(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("G", "o")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert pilot.app.screen._table.selected == "v2"  # type: ignore[attr-defined]


async def test_marked_versions_are_exported(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("u", "home", "space", "space", "x")
        await until(pilot, lambda: (lab / "v0-v1.md").exists(), seconds=90)
        assert "## v1" in (lab / "v0-v1.md").read_text()
        assert "## v2" not in (lab / "v0-v1.md").read_text()
