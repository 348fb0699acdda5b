"""What others write to a note that is open in the editor: shown at once, merged with what is typed, undone by a key."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from imgexp_tui.notebook.history import drafts
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.services.notes.sync import NoteFileReader
from imgexp_tui.views.notes.cursor_anchor import moved_position
from tests.conftest import NewLab
from tests.helpers import until
from tests.support.editor_app import TRIAL, EditorApp, file, opened


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(TRIAL, "lab")


def elsewhere(lab: Path, text: str) -> None:
    """Write the notebook as an editor does: whole, and renamed into place."""
    new = lab / "experiments.toml.new"
    new.write_text(text)
    new.replace(lab / NOTEBOOK)


async def test_a_note_that_was_not_touched_shows_what_another_editor_wrote(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        elsewhere(lab, TRIAL.replace("-bs of", "-theirs\n-bs of").replace("First.", "Second."))
        await until(pilot, lambda: "-theirs" in app.area.text, "their line")
        await until(pilot, lambda: app.editor.query_one("#summary").text == "Second.", "their summary")  # type: ignore[attr-defined]
        assert "changed elsewhere" in app.told("#banner") and "unsaved" not in app.told("#state")
        await pilot.press(*"mine")
        assert app.area.text == "-theirs\n-bs of 64 could be bigger\n-mine", (
            "the new bullet is still there to be filled"
        )
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert load_notebook(lab).versions["v0"].takeaways == "-theirs\n-bs of 64 could be bigger\n-mine"
    assert load_notebook(lab).versions["v0"].summary == "Second."


async def test_undo_takes_a_change_made_elsewhere_back(lab: Path) -> None:
    app = EditorApp(lab, field="summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        elsewhere(lab, TRIAL.replace("First.", "Theirs."))
        await until(pilot, lambda: app.area.text == "Theirs.", "their text")
        await pilot.press("ctrl+z")
        assert app.area.text == "First." and "unsaved" in app.told("#state")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert load_notebook(lab).versions["v0"].summary == "First."


async def test_what_is_typed_is_merged_and_the_cursor_stays_by_its_words(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press("up", "home", *"-m", "enter", "backspace", "left", "end")
        elsewhere(
            lab, TRIAL.replace("'''\n-bs of 64 could be bigger\n", "'''\n-above\n-bs of 64 could be bigger\n-below\n")
        )
        await until(pilot, lambda: "-below" in app.area.text, "the merge")
        assert "merged here, not saved" in app.told("#banner")
        await pilot.press(*"ine")
        assert "-mine\n" in app.area.text and "-above\n" in app.area.text
        await until(
            pilot, lambda: any("-mine" in d.text and "-below" in d.text for d in drafts.read_drafts(lab)), "a draft"
        )
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saved " in app.told("#state"), "the save")
        saved = load_notebook(lab).versions["v0"].takeaways
        assert all(line in saved for line in ("-mine\n", "-above\n", "-below"))
        while "-below" in app.area.text:
            await pilot.press("ctrl+z")
        assert app.area.text.startswith("-m\n-bs of 64"), "undo took back what was typed since, and the merge whole"


async def test_the_same_lines_changed_on_both_sides_wait_for_the_save(lab: Path) -> None:
    app = EditorApp(lab, field="summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"mine")
        elsewhere(lab, TRIAL.replace("First.", "First. Theirs."))
        await until(pilot, lambda: "First. Theirs." in app.told("#banner"), "their line in the banner")
        await pilot.press(*"!")
        assert app.area.text == "First.mine!"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "both texts" in app.told("#banner"), "the marks")
        assert "First.mine!" in app.area.text and "First. Theirs." in app.area.text
    assert "First.mine!" in file(lab) and "First. Theirs." in file(lab)


async def test_a_clash_that_was_undone_shows_their_text(lab: Path) -> None:
    app = EditorApp(lab, field="summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press("x")
        elsewhere(lab, TRIAL.replace("First.", "Theirs."))
        await until(pilot, lambda: "Theirs." in app.told("#banner"), "the clash")
        await pilot.press("backspace")
        await until(pilot, lambda: app.area.text == "Theirs.", "their text")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRIAL.replace("versions.v0", "versions.v7"), "v0 is not in experiments.toml any more"),
        (TRIAL.replace("'''First.'''", "'''First."), "experiments.toml:"),
        (TRIAL.replace("'''First.'''", "7"), "is no text any more"),
        (None, "There is no experiments.toml any more"),
    ],
)
async def test_a_file_that_cannot_be_read_is_said_and_typing_goes_on(lab: Path, text: str | None, said: str) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        if text is None:
            (lab / NOTEBOOK).unlink()
        else:
            elsewhere(lab, text)
        await until(pilot, lambda: said in app.told("#banner"), "the warning")
        await pilot.press(*"typed")
        await until(pilot, lambda: any("typed" in d.text for d in drafts.read_drafts(lab)), "the draft")
        elsewhere(lab, TRIAL)
        await until(pilot, lambda: app.told("#banner") == "", "the warning to go")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL.replace("bigger\n", "bigger\n-typed")


async def test_a_file_that_is_being_written_is_not_looked_at(lab: Path) -> None:
    watched = NoteFileReader(lab, "v0")
    half = TRIAL[: TRIAL.index("takeaways")]
    with (lab / NOTEBOOK).open("w") as writer:
        writer.write(half)
        writer.flush()
        assert await asyncio.to_thread(watched.poll) is None
        writer.write(TRIAL[len(half) :].replace("First.", "Whole."))
    found = await asyncio.to_thread(watched.poll)
    assert found and found.texts["takeaways"] == "-bs of 64 could be bigger\n"
    assert await asyncio.to_thread(watched.poll) is None


async def test_a_save_of_this_editor_is_no_change_made_elsewhere(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"one", "ctrl+s", *"two")
        looked = app.editor._note_sync._file
        stamp = (lab / NOTEBOOK).stat().st_mtime_ns
        await until(pilot, lambda: (lab / NOTEBOOK).stat().st_mtime_ns != stamp or "one" in file(lab), "the save")
        await until(pilot, lambda: looked._stamp[0] == (lab / NOTEBOOK).stat().st_mtime_ns, "the look after it")
        assert app.area.text.endswith("-onetwo") and app.told("#banner") == ""


async def test_edits_elsewhere_amid_saves_and_typing_lose_nothing(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        from imgexp_tui.notebook.saving.save import save_note

        for at, letter in enumerate("abcdefgh"):
            await pilot.press(letter, *(["ctrl+s"] if at % 3 == 0 else []))
            seen = load_notebook(lab).versions["v0"].takeaways
            theirs = f"-their {at}\n"
            await asyncio.to_thread(save_note, lab, "v0", "takeaways", theirs + seen, original=seen)
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    text = load_notebook(lab).versions["v0"].takeaways
    assert "-abcdefgh" in text and all(text.count(f"-their {at}\n") == 1 for at in range(8)), text
    assert "<<<<" not in text


@pytest.mark.parametrize(
    ("before", "after", "place", "there"),
    [
        ("a\nb", "x\na\nb", (1, 1), (2, 1)),
        ("a\nb", "a\nb\nx", (1, 1), (1, 1)),
        ("a\n-", "a\n-theirs\n-", (1, 1), (2, 1)),
        ("a\nb\nc", "x\na\nb\nc\ny", (1, 1), (2, 1)),
        ("a\nb\nc", "a\nc", (1, 1), (1, 0)),
        ("one two", "one more two", (0, 7), (0, 12)),
        ("one two", "one more two", (0, 2), (0, 2)),
        ("abc", "", (0, 3), (0, 0)),
        ("", "abc", (0, 0), (0, 0)),
    ],
)
def test_a_place_stays_by_its_words(before: str, after: str, place: tuple[int, int], there: tuple[int, int]) -> None:
    assert moved_position(before, after, place) == there


def test_a_broken_line_elsewhere_does_not_hide_the_note(lab: Path) -> None:
    watched = NoteFileReader(lab, "v0")
    elsewhere(lab, TRIAL.replace('base = "v0"', "base = ").replace("First.", "Still read."))
    found = watched.poll()
    assert found and found.texts["summary"] == "Still read."
    os.utime(lab / NOTEBOOK, (1, 1))
    assert watched.poll() is not None
