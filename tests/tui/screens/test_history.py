"""The history screen and the commit key, on real labs and real repositories."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from imgexp_tui.notebook.history.log import history_path, make_metadata_folder, note_states
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.saving.save import save_note
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.dialogs.commit import CommitScreen
from imgexp_tui.tui.screens.editor import EditorScreen
from imgexp_tui.tui.screens.history import HistoryScreen
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.views.notes.diff import diff_lines
from imgexp_tui.views.styled import plain_text
from tests.helpers import screen_text, shows, until
from tests.support.git_lab import committed, git


@pytest.fixture
def lab(git_lab: Path) -> Path:
    return git_lab


def note(lab: Path) -> str:
    return load_notebook(lab).versions["v0"].takeaways


def save(lab: Path, text: str) -> None:
    save_note(lab, "v0", "takeaways", text, original=note(lab))


async def there(pilot: Pilot[None], screen: type) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, screen))


def table(pilot: Pilot[None]) -> int:
    assert isinstance(pilot.app.screen, HistoryScreen)
    return pilot.app.screen._rows.count


def said(pilot: Pilot[None]) -> str:
    return " ".join(n.message for n in pilot.app._notifications)


@pytest.mark.git
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_state_is_looked_at_and_brought_back_and_that_undone(lab: Path, size: tuple[int, int]) -> None:
    save(lab, "-first\n-second [/]\n")
    save(lab, "-all else\n")
    async with LabApp(lab).run_test(size=size) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "history of all notes", "-all else", "- -second [/]", "+ -all else")
        assert table(pilot) == 3
        await pilot.press("j")
        await shows(pilot, "+ -second [/]", "  -first")
        await pilot.press("d")
        await shows(pilot, "what bringing it back would change", "- -all else", "+ -first")
        await pilot.press("enter")
        await until(pilot, lambda: note(lab) == "-first\n-second [/]\n")
        await until(pilot, lambda: table(pilot) == 4)
        assert "Back: the takeaways of v0" in said(pilot)
        await pilot.press("j", "r")
        await until(pilot, lambda: note(lab) == "-all else\n")
        await pilot.press("escape")
        await there(pilot, MainScreen)


@pytest.mark.git
async def test_what_another_program_wrote_is_on_top_and_can_be_undone(lab: Path) -> None:
    save(lab, "-mine\n")
    path = lab / NOTEBOOK
    path.write_text(path.read_text().replace("-mine", "-by vim"))
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "+ -by vim", "- -mine")
        await pilot.press("enter")
        await until(pilot, lambda: "says that already" in said(pilot))
        await pilot.press("j", "enter")
        # The file is written before its history.
        await until(
            pilot, lambda: [s.text for s in note_states(lab, "v0", "takeaways")][:2] == ["-mine\n", "-by vim\n"]
        )
    assert note(lab) == "-mine\n"


@pytest.mark.git
async def test_the_notes_are_shown_one_at_a_time_too(lab: Path) -> None:
    save(lab, "-new\n")
    save_note(lab, "v0", "summary", "A summary.", original="")
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await until(pilot, lambda: table(pilot) == 3)
        await pilot.press("n")
        await shows(pilot, "history of summary", "A summary.")
        await until(pilot, lambda: table(pilot) == 1)


@pytest.mark.git
async def test_ten_thousand_states_open_at_once_and_come_in_pages(lab: Path) -> None:
    make_metadata_folder(lab)
    lines = [
        orjson.dumps({"time": float(i), "version": "v0", "field": "takeaways", "text": f"-state {i}\n" + "text " * 100})
        for i in range(10_000)
    ]
    history_path(lab).write_bytes(b"\n".join(lines) + b"\n")
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        start = time.perf_counter()
        await pilot.press("H")
        await shows(pilot, "-state 9999")
        assert time.perf_counter() - start < 10
        await until(pilot, lambda: table(pilot) == 201)
        await pilot.press("G")
        await until(pilot, lambda: table(pilot) == 401)
        for _ in range(3):
            await pilot.press("G")
            await pilot.pause()
        await until(pilot, lambda: table(pilot) >= 801)
        await pilot.press("g")
        await shows(pilot, "+ -first")


@pytest.mark.git
async def test_git_s_commits_are_a_second_list(lab: Path) -> None:
    committed(lab)
    path = lab / NOTEBOOK
    path.write_text(path.read_text().replace("-first", "-lost since"))
    git(lab, "commit", "-qam", "before the app")
    path.write_text(path.read_text().replace("-lost since", "-now"))
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "commits")
        await pilot.press("tab")
        await shows(pilot, "before the app", "+ -lost since", "- -first")
        await pilot.press("enter")
        await until(pilot, lambda: note(lab) == "-lost since\n")


@pytest.mark.git
async def test_outside_of_a_repository_no_commits_are_offered(lab: Path) -> None:
    (lab / ".git").rename(lab / "gone")
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "saved states", "-first")
        await pilot.press("tab")
        assert "commits" not in screen_text(pilot).lower()


@pytest.mark.git
async def test_an_empty_history_says_so(lab: Path) -> None:
    (lab / NOTEBOOK).write_text("[versions.v0]\n")
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "Nothing was saved yet")
        await pilot.press("enter", "d", "n", "G", "J")
        await shows(pilot, "Nothing was saved yet")


@pytest.mark.git
async def test_from_the_editor_what_is_typed_is_saved_first_and_the_state_comes_back_into_it(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("e")
        await there(pilot, EditorScreen)
        area = pilot.app.screen.query_one("#takeaways")
        await until(pilot, lambda: not area.read_only)  # type: ignore[attr-defined]
        await pilot.press(*"typed", "f5")
        await there(pilot, HistoryScreen)
        await shows(pilot, "history of takeaways", "+ -typed")
        assert note(lab) == "-first\n-typed"
        await pilot.press("j", "enter")
        await until(pilot, lambda: note(lab) == "-first\n")
        await pilot.press("escape")
        await until(pilot, lambda: area.text == "-first\n")  # type: ignore[attr-defined]
        await pilot.press("ctrl+z", "ctrl+s")
        await until(pilot, lambda: note(lab) == "-first\n-typed")


@pytest.mark.git
async def test_the_notebook_is_committed_by_a_key(lab: Path) -> None:
    committed(lab)
    save(lab, "-changed\n")
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("C")
        await there(pilot, CommitScreen)
        await shows(pilot, "Commit experiments.toml, and nothing else, on main.", "v0: takeaways")
        await pilot.press("escape")
        await there(pilot, MainScreen)
        assert git(lab, "log", "--format=%s") == "start\n"
        await pilot.press("C")
        await there(pilot, CommitScreen)
        pilot.app.screen.query_one(Input).cursor_position = 100
        await pilot.press(*", yes", "enter")
        await until(pilot, lambda: git(lab, "log", "-1", "--format=%s") == "v0: takeaways, yes\n")
        await until(pilot, lambda: "Committed" in said(pilot))
        await pilot.press("C")
        await until(pilot, lambda: "Nothing to commit" in said(pilot))


@pytest.mark.git
async def test_the_new_keys_are_in_the_help(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 190)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("question_mark")
        await shows(pilot, "Commit the notebook with git", "Make this state the note again", "Saved states of this")
        await shows(pilot, "Save, then show the saved states", "Commit with the message")


def test_a_diff_reads_without_colours() -> None:
    old = "same 1\nsame 2\nsame 3\nsame 4\ngone\nsame 5"
    new = "same 1\nsame 2\nsame 3\nsame 4\ncame \x1b[31mred and is long enough to be wrapped\nsame 5"
    assert [plain_text(row) for row in diff_lines(old, new, 24)] == [
        "  ⋯ 2 lines that both have",
        "  same 3",
        "  same 4",
        "- gone",
        "+ came red and is long",
        "+ enough to be wrapped",
        "  same 5",
    ]
    assert [plain_text(row) for row in diff_lines("a", "a", 24)] == ["no difference"]
    assert [plain_text(row) for row in diff_lines("a", "a\n", 24)] == ["only line ends differ"]


@pytest.mark.git
async def test_reading_a_history_leaves_the_screen_free(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgexp_tui.services.notes.history import NoteHistory

    gate, more = asyncio.Event(), NoteHistory.next_page
    loop = asyncio.get_running_loop()

    def slow(self: NoteHistory) -> object:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return more(self)

    monkeypatch.setattr(NoteHistory, "next_page", slow)
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "v0", "Run")
        await pilot.press("H")
        await shows(pilot, "Reading…")
        await pilot.press("d", "j", "n", "escape")
        await there(pilot, MainScreen)
        gate.set()
