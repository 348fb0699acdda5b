"""The last line names the keys that do something now; clicking one is as good as pressing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.compare import CompareScreen
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.views.styled import plain_text
from tests.conftest import NewLab
from tests.support.recorded_runs import a_run


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab("[versions.v0]\n[versions.v1]\n")
    a_run(lab, "v0", "20260101-000000-aaaaaa", [0.5, 0.4])
    return lab


async def footer_of(pilot: Pilot[None]) -> KeyFooter:
    while not pilot.app.screen.query(KeyFooter) or not pilot.app.screen.query_one(KeyFooter).lines:
        await pilot.pause(0.02)
    return pilot.app.screen.query_one(KeyFooter)


async def test_a_narrow_screen_keeps_what_is_wanted_most(lab: Path) -> None:
    for width, spared in ((80, True), (200, False)):
        async with LabApp(lab).run_test(size=(width, 30)) as pilot:
            shown = plain_text((await footer_of(pilot)).lines[0])
            assert shown.startswith(" tab Pane  e Takeaways")
            assert shown.endswith("? Keys  q Quit")
            assert len(shown) <= width
            assert ("p Pictures" not in shown) is spared


async def test_a_screen_that_spares_nothing_still_names_the_help(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(60, 30)) as pilot:
        await footer_of(pilot)
        await pilot.press("d")
        assert isinstance(pilot.app.screen, CompareScreen)
        shown = plain_text((await footer_of(pilot)).lines[0])
        assert shown.startswith(" esc Back")
        assert shown.endswith("? Keys")
        assert len(shown) <= 60


async def test_a_click_is_a_key(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(200, 30)) as pilot:
        shown = plain_text((await footer_of(pilot)).lines[0])
        await pilot.hover(KeyFooter, offset=(shown.index("Compare"), 0))
        assert (await footer_of(pilot)).tooltip == "All versions in a table; marked ones side by side"
        await pilot.click(KeyFooter, offset=(shown.index("Compare"), 0))
        await pilot.pause()
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_keys_come_and_go_with_what_they_do(lab: Path) -> None:
    (lab / "runs" / "v0" / "20260101-000000-aaaaaa" / "exit.json").write_text(
        '{"schema": 1, "state": "failed", "code": 1, "ended": 1767225600.0}'
    )
    async with LabApp(lab).run_test(size=(200, 30)) as pilot:
        footer = await footer_of(pilot)
        while "R Resume" not in plain_text(footer.lines[0]):
            await pilot.pause(0.02)
        await pilot.press("j")
        while "R Resume" in plain_text(footer.lines[0]):
            await pilot.pause(0.02)
