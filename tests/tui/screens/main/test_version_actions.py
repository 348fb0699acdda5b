"""Finding, filtering and arranging versions in the app, by its keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.notebook.search import Hits, SearchIndex
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.services.version_filter import VersionFilter
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.screens.search import LazyHitLines, hit_line
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import LabSnapshot, VersionRow
from imgexp_tui.views.styled import line_width, plain_text
from tests.conftest import NewLab
from tests.helpers import screen_text, shows, until, wait_until
from tests.support.recorded_runs import a_run

NOTEBOOK = """\
# about v0
[versions.v0]
summary = "First [bold]."
takeaways = '''
-learns
-the GPU [/] starves
'''

# about v1
[versions.v1]
base = "v0"
tags = ["seed"]
[versions.v1.train]
batch_size = 512

[versions.v2]
summary = "Third."
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK)
    a_run(lab, "v0", "20260101-000000-aaaaaa", [0.4, 0.2])
    a_run(lab, "v0", "20260102-000000-bbbbbb", [0.6])
    a_run(lab, "v1", "20260103-000000-cccccc", [0.5])
    return lab


def names(pilot: Pilot[None]) -> list[str]:
    """The versions in the table, from the top."""
    table = pilot.app.screen_stack[0].query_one(VersionTable)
    return [plain_text(line).removeprefix("▌").split()[0] for line in table.lines]


async def settled(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: "0.5000" in screen_text(pilot), "every run was looked at")


async def test_a_hit_leads_to_the_line_in_the_editor_and_back(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"gpu")
        await shows(pilot, "1 of 1 line ", "v0         takeaways:2    -the GPU [/] starves")
        await pilot.press("enter")
        await shows(pilot, "v0 · notes", "-the GPU [/] starves")
        area = pilot.app.screen.query_one("#takeaways", TextArea)
        await until(pilot, lambda: area.cursor_location == (1, 20), "the cursor at the line's end")
        assert pilot.app.focused is area
        await pilot.press("escape")
        await shows(pilot, "v0  run  notes")
        await pilot.press("slash")
        await shows(pilot, "1 of 1 line ")
        assert pilot.app.screen.query_one(Input).value == "gpu"


async def test_hits_are_walked_with_arrows_and_n(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("slash", "v")
        await shows(pilot, "1 of 4 lines")
        await pilot.press("down")
        await shows(pilot, "2 of 4 lines")
        await pilot.press("tab", "n")
        await shows(pilot, "3 of 4 lines")
        await pilot.press("N", "N")
        await shows(pilot, "1 of 4 lines")
        await pilot.press("n", "n", "enter")  # a name: no note to open
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "the main screen")
        assert pilot.app.screen.query_one(VersionTable).selected == "v1"
        await pilot.press("slash", "tab", "slash", "x")
        await until(pilot, lambda: pilot.app.screen.query_one(Input).value == "x", "typing anew")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "the main screen")


async def test_a_hit_that_is_hidden_is_shown(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK + "archived = true\n")
    async with LabApp(lab).run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        assert names(pilot) == ["v0", "v1"]
        await pilot.press("f", *"tag:seed", "enter", "slash", *"third")
        await shows(pilot, "1 of 1 line ")
        await pilot.press("enter")
        await shows(pilot, "v2 · notes")
        assert names(pilot) == ["v0", "v1", "v2"]


def test_a_long_line_is_shown_around_its_first_mark() -> None:
    book = parse_notebook(f'[versions.v0]\nsummary = "{"漢字 word " * 40}gpu starves"\n', Path())
    (hit,) = SearchIndex(book).find("gpu")
    for room in (40, 80, 200):
        line = hit_line(hit, room)
        assert line_width(line) <= room
        assert ("gpu", "mark") in line


def test_a_large_notebook_answers_at_once_and_draws_what_is_in_sight() -> None:
    note = "-more of the same here\n" * 40
    notes = "".join(f"[versions.v{i}]\ntakeaways = '''\n{note}'''\n" for i in range(1000))
    hits = SearchIndex(parse_notebook(notes, Path())).find("same")
    assert len(hits) == 40_000
    made: list[int] = []

    class Counted(Hits):
        def __getitem__(self, at):  # type: ignore[no-untyped-def,override]
            made.append(at)
            return hits[at]

    rows = LazyHitLines(
        Counted(SearchIndex(parse_notebook("", Path())), range(len(hits)), [], case_sensitive=False), 80
    )
    assert len(rows) == 40_000
    assert "v999" in plain_text(rows[39_999])
    assert made == [39_999]


async def test_a_filter_is_typed_stays_and_goes(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("f", *"loss<0.3")
        await shows(pilot, "1 of 3 · Esc shows all", "1 of 3 versions")
        assert names(pilot) == ["v0"]  # by the best of all its runs, as the reports have it
        await pilot.press("enter", "j")
        assert names(pilot) == ["v0"]
        await pilot.press("f", "backspace", "x")
        await shows(pilot, "0.x is no number; write such as loss<0.3", "3 of 3")
        assert names(pilot) == ["v0", "v1", "v2"]
        await pilot.press("escape")
        await until(pilot, lambda: "Esc shows all" not in screen_text(pilot), "the filter's line is gone")
        await pilot.press("f", *"state:none", "enter", "escape")
        await until(pilot, lambda: names(pilot) == ["v0", "v1", "v2"], "every version")
        assert not pilot.app.screen.query(Input)


async def test_keys_that_follow_f_at_once_go_to_the_filter(lab: Path) -> None:
    def type_burst(*keys: str) -> None:
        for key in keys:
            pilot.app.post_message(Key(key, key if len(key) == 1 else None))

    async with LabApp(lab).run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("f", *"loss<0.3", "enter")
        await until(pilot, lambda: names(pilot) == ["v0"], "the filter")
        type_burst("f", "ctrl+u", "enter")
        await until(pilot, lambda: names(pilot) == ["v0", "v1", "v2"], "the text was deleted")
        await until(pilot, lambda: not pilot.app.screen.query(Input), "the line is gone")


async def test_a_mistyped_metric_is_told_once_metrics_are_known(lab: Path) -> None:
    book, version_filter = load_notebook(lab), VersionFilter()
    version_filter.set_text("acuracy>0.1", LabSnapshot(book))
    assert (version_filter.error, version_filter.is_active) == ("", True)
    snapshot = LabSnapshot(
        book, rows={"v0": VersionRow(state="finished", best_metrics=(("valid/loss", 0.2), ("valid/accuracy", 0.8)))}
    )
    assert len(version_filter.versions(snapshot)) == 3
    assert "did you mean accuracy?" in version_filter.error


async def test_rename_by_key_keeps_the_cursor_and_the_runs(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await until(pilot, lambda: "▌ v1" in screen_text(pilot), "the newest run's version")
        await pilot.press("v")
        await shows(pilot, "Rename", "Archive", "Move up", "Delete")
        await pilot.press("r", "backspace", "0")
        await shows(pilot, "v0 is there already; take another name.")
        await pilot.press("enter", "backspace", *"9", "enter")
        await until(pilot, lambda: names(pilot) == ["v0", "v9", "v2"], "the new name")
        await until(pilot, lambda: "▌ v9" in screen_text(pilot), "the cursor stays")
        assert [run.run_id for run in find_runs(lab, "v9")] == ["20260103-000000-cccccc"]
        await shows(pilot, "v1 is v9 now")
    assert (lab / "experiments.toml").read_text() == NOTEBOOK.replace("[versions.v1", "[versions.v9")


async def test_tags_and_the_archive_by_key(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("v", "t", "space", "!")
        await shows(pilot, "! is no tag")
        await pilot.press("backspace", *"wide", "enter")
        await shows(pilot, "seed · wide")
        await pilot.press("v", "a")
        await until(pilot, lambda: names(pilot) == ["v0", "v2"], "v1 out of sight")
        await shows(pilot, "2 of 3 versions")
        await pilot.press("A")
        await until(pilot, lambda: names(pilot) == ["v0", "v1", "v2"], "v1 in sight")
        await pilot.press("k", "v")
        await shows(pilot, "Bring back")
        await pilot.press("a")
        await until(pilot, lambda: not any(v.archived for v in load_notebook(lab).versions.values()), "v1 is back")
    assert (lab / "experiments.toml").read_text() == NOTEBOOK.replace('["seed"]', '["seed", "wide"]')


async def test_a_version_is_moved_by_key(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("less_than_sign")
        await until(pilot, lambda: names(pilot) == ["v1", "v0", "v2"], "v1 first")
        assert pilot.app.screen.query_one(VersionTable).selected == "v1"
        await pilot.press("less_than_sign")  # it is the first already
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: names(pilot) == ["v0", "v1", "v2"], "as before")
    assert (lab / "experiments.toml").read_text() == NOTEBOOK


async def test_only_what_never_ran_is_deleted_and_only_when_asked(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("v", "d")
        await shows(pilot, "v1 has 1 run, and what has run is never deleted")
        await pilot.press("j", "v", "d")
        await shows(pilot, "Delete v2 from the notebook? With it go its summary (1")
        await pilot.press("n", "v", "d")
        await shows(pilot, "Delete v2")
        assert (lab / "experiments.toml").read_text() == NOTEBOOK
        await pilot.press("y")
        await until(pilot, lambda: names(pilot) == ["v0", "v1"], "v2 is gone")
    assert (lab / "experiments.toml").read_text() == NOTEBOOK[: NOTEBOOK.index("\n[versions.v2]")]


async def test_every_key_of_these_is_in_the_help(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 200)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await shows(
            pilot,
            *("Search all notes and settings", "Show the versions that fit", "Rename, tag, archive, move or delete"),
            *("Show archived versions", "Move this version up", "Rename a version; its runs follow", "Next hit"),
        )


def test_opening_the_app_finishes_a_rename(lab: Path) -> None:
    """The watching thread does it before it looks for runs."""
    from imgexp_tui import durable
    from imgexp_tui.notebook.history import log
    from imgexp_tui.services.lab_watcher import LabWatcher
    from imgexp_tui.services.notebook_reader import read_notebook

    log.make_metadata_folder(lab)
    durable.replace(log.metadata_folder(lab) / "renaming.json", b'{"old": "v1", "new": "v9"}')
    (lab / "experiments.toml").write_text(NOTEBOOK.replace("[versions.v1", "[versions.v9"))
    watcher = LabWatcher(lab, read_notebook(lab), lambda: None)
    watcher.start()
    try:
        wait_until(lambda: find_runs(lab, "v9"), "the runs at their new name")
    finally:
        watcher.stop()
