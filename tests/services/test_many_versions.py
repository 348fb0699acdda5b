"""Labs of many versions: those out of sight take turns, and only the lines in sight are ever made."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.services import run_index
from imgexp_tui.services.run_index import RunIndex
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.compare import CompareScreen, CompareTable
from imgexp_tui.tui.widgets.main.panes import NotesPane
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.runs import compare_table
from imgexp_tui.views.runs.compare_table import CompareColumn
from imgexp_tui.views.runs.version_table import TableColumns
from imgexp_tui.views.styled import plain_text
from tests.conftest import NewLab
from tests.helpers import shows, until
from tests.support.recorded_runs import a_run

NAMES = [f"v{i}" for i in range(12)]
MANY = 300


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab("".join(f"[versions.{name}]\n" for name in NAMES))
    for name in NAMES:
        a_run(lab, name, "20260101-000000-aaaaaa", [0.5, 0.6])
    return lab


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "experiments.toml").write_text("".join(f"[versions.v{i}]\nsummary = 'v{i}'\n" for i in range(MANY)))
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each version was looked at; three out of sight in one look, and one on each side of the shown."""
    monkeypatch.setattr(run_index, "_MIN_VERSIONS_PER_POLL", 3)
    monkeypatch.setattr(run_index, "_NEARBY_VERSIONS", 1)
    found: Counter[str] = Counter()
    poll = RunIndex._update_version

    def counted(self: RunIndex, name: str, end: float) -> bool:
        found[name] += 1
        return poll(self, name, end)

    monkeypatch.setattr(RunIndex, "_update_version", counted)
    return found


def looked(lab: Path) -> RunIndex:
    runs = RunIndex(lab)
    while not runs.poll(NAMES, "v0") or len(runs.rows) < len(NAMES):
        pass
    return runs


def test_versions_out_of_sight_take_turns(lab: Path, asked: Counter[str]) -> None:
    runs = looked(lab)
    asked.clear()
    assert runs.poll(NAMES, "v6")
    assert asked["v6"] == asked["v5"] == 1
    assert sum(asked.values()) <= 3 + 3
    for _ in range(4):
        assert runs.poll(NAMES, "v6")
    assert set(asked) == set(NAMES)
    assert asked["v6"] == 5
    asked.clear()
    assert runs.poll(NAMES, "v6", all_versions=True)
    assert set(asked.values()) == {1} and set(asked) == set(NAMES)


def test_a_look_that_was_interrupted_is_made_up_for(lab: Path, asked: Counter[str]) -> None:
    runs = looked(lab)
    asked.clear()
    assert not runs.poll(NAMES, "v6", lambda: True)
    assert set(asked) == {"v6"}, "nothing but the shown one, while there is a hurry"
    for _ in range(len(NAMES) // 3):
        assert not runs.poll(NAMES, "v6", lambda: True)
        assert runs.poll(NAMES, "v6")
    assert set(asked) == set(NAMES)


def test_what_begins_out_of_sight_is_seen_within_a_round(lab: Path, asked: Counter[str]) -> None:
    runs = looked(lab)
    resumed = RunDir(lab / "runs" / "v11" / "20260101-000000-aaaaaa")
    Process("u", 2, None, None, time.time()).write(resumed)
    for _ in range(len(NAMES) // 3 + 1):
        runs.poll(NAMES, "v0")
    assert runs.rows["v11"].state != "finished"


async def test_a_cursor_that_scrolls_lays_out_one_new_row(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[str] = []
    row = TableColumns.version_row

    def counted(self: TableColumns, version: Any, *rest: Any, **more: Any) -> Any:
        laid_out.append(version.name)
        return row(self, version, *rest, **more)

    monkeypatch.setattr(TableColumns, "version_row", counted)
    async with LabApp(large).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "no run", "takeaways")
        table = pilot.app.screen.query_one(VersionTable)
        await pilot.press(*"jjjjjjjjjjjj")
        await until(pilot, lambda: table.scroll_offset.y > 0, "it scrolls")
        await pilot.pause()
        laid_out.clear()
        await pilot.press("j")
        await pilot.pause()
        # The row that comes into sight, the one that the cursor leaves and the one that it comes to.
        assert 0 < len(laid_out) <= 3
        assert "▌ v13 " in plain_text(table.lines[13])


async def test_a_title_is_drawn_without_its_pane(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with LabApp(large).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "v0 notes", "takeaways")
        await pilot.pause()
        pane = pilot.app.screen.query_one(NotesPane)
        drawn: list[int] = []
        render = NotesPane.render_line
        monkeypatch.setattr(NotesPane, "render_line", lambda self, y: (drawn.append(y), render(self, y))[1])
        pane.set_title(Content("another title"))
        await shows(pilot, "another title")
        assert drawn == []


async def test_comparing_many_makes_the_lines_in_sight_only(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    sized: Counter[str] = Counter()
    row, fit = compare_table.version_row, compare_table.cell_width

    def counted(columns: Any, sight: Any, name: str, **more: Any) -> Any:
        made.append(name)
        return row(columns, sight, name, **more)

    def sized_too(text: str) -> int:
        sized[text] += 1
        return fit(text)

    monkeypatch.setattr(compare_table, "version_row", counted)
    monkeypatch.setattr(compare_table, "cell_width", sized_too)
    async with LabApp(large).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "no run", "takeaways")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen), "the comparison")
        rows = pilot.app.screen.query_one(CompareTable)
        await until(pilot, lambda: rows.count == MANY and made, "its rows")
        await pilot.pause()
        assert set(made) <= {f"v{i}" for i in range(30)}
        assert sized["v299"] == 1, "a column's width is measured once"
        await pilot.press("G")
        await until(pilot, lambda: "v299" in made, "the last row")


def test_words_with_numbers_are_sorted_as_they_are_read() -> None:
    texts = {name: name for name in ("v10", "V2", "v1", "seed 2", "seed 10", "")}
    assert CompareColumn("version", texts, {}).sort_versions(texts, reverse=False) == [
        "seed 2",
        "seed 10",
        "v1",
        "V2",
        "v10",
        "",
    ]
    assert CompareColumn("version", texts, {}).sort_versions(texts, reverse=True)[:2] == ["v10", "V2"]


async def test_the_cursor_stays_in_sight_when_a_filter_goes(large: Path) -> None:
    async with LabApp(large).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "no run", "takeaways")
        await pilot.press("f", *"v25", "enter", "G")
        await shows(pilot, "▌ v259")
        await pilot.press("escape")
        await shows(pilot, "▌ v259", "v258 ")
