"""The editor screen on real labs: what is typed reaches the file, byte for byte, and is never lost on the way."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from imgexp_tui import paths
from imgexp_tui.notebook.history import drafts
from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.services.notes import files
from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen
from imgexp_tui.tui.screens.dialogs.draft_offer import DraftOfferScreen
from tests.conftest import NewLab
from tests.helpers import until
from tests.support.editor_app import TRIAL, EditorApp, file, opened


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(TRIAL, "lab")


async def test_typing_is_saved_and_the_rest_of_the_file_stays(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-new")
        assert "unsaved" in app.told("#state") and "●" in str(app.area.border_title)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saved " in app.told("#state"), "the save")
        assert "●" not in str(app.area.border_title)
    assert file(lab) == TRIAL.replace("bigger\n", "bigger\n-new")
    assert drafts.read_drafts(lab) == []


async def test_the_first_takeaway_that_one_types_is_a_bullet(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        assert "unsaved" not in app.told("#state")
        await pilot.press(*"new", "enter", *"two", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL.replace("bigger\n", "bigger\n-new\n-two")


async def test_the_first_takeaway_keeps_the_blank_of_its_bullet(lab: Path) -> None:
    (lab / paths.NOTEBOOK).write_text(TRIAL.replace("-bs of", "- bs of"))
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"new", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert load_notebook(lab).versions["v0"].takeaways == "- bs of 64 could be bigger\n- new"


@pytest.mark.parametrize("keys", [[], ["x", "backspace"], ["minus"], ["enter"]])
async def test_a_bullet_that_was_offered_and_not_filled_changes_nothing(lab: Path, keys: list[str]) -> None:
    before = (lab / paths.NOTEBOOK).stat()
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        assert app.area.text.endswith("bigger\n-") and "●" not in str(app.area.border_title)
        await pilot.press(*keys)
        assert "unsaved" not in app.told("#state")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL and (lab / paths.NOTEBOOK).stat().st_ino == before.st_ino
    assert drafts.read_drafts(lab) == []


async def test_an_edit_elsewhere_leaves_no_empty_bullet_behind(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press("up", "end", "exclamation_mark", "ctrl+s")
        await until(pilot, lambda: "saved " in app.told("#state"), "the save")
        assert app.area.text.endswith("bigger!\n-"), "it is still there to be filled"
        await pilot.press("down", *"new", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL.replace("bigger\n", "bigger!\n-new")


async def test_a_key_makes_and_ticks_boxes_and_enter_goes_on_with_an_open_one(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press("ctrl+l", *"try", "ctrl+l", "enter", *"and", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL.replace("bigger\n", "bigger\n- [x] try\n- [ ] and")


async def test_leaving_saves_all_three_notes_and_tells_whose(lab: Path) -> None:
    app = EditorApp(lab, field="summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        for word in ("S", "T", "O"):
            await pilot.press(word, "ctrl+n")
        await pilot.press("escape")
        await until(pilot, lambda: app.back == ["v0"], "the way back")
    notes = load_notebook(lab).versions["v0"]
    assert (notes.summary, notes.takeaways.endswith("T"), notes.observed) == ("First.S", True, "O")


async def test_what_is_typed_while_leaving_is_not_typed_into_the_note(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, save = threading.Event(), files.save

    def slow(*args: Any, **how: Any) -> files.NoteSaveResult:
        go_on.wait(20)
        return save(*args, **how)

    monkeypatch.setattr(files, "save", slow)
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press("a", "escape", "j", "escape", "k", "ctrl+l")
        go_on.set()
        await until(pilot, lambda: app.back == ["v0"], "the way back")
    assert load_notebook(lab).versions["v0"].takeaways == "-bs of 64 could be bigger\n-a"
    assert drafts.read_drafts(lab) == []


async def test_quitting_saves(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-quit", "ctrl+q")
    assert "-quit" in file(lab)
    assert drafts.read_drafts(lab) == []


async def test_a_draft_is_written_while_typing_and_goes_when_undone(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-dr")
        await until(pilot, lambda: any("-dr" in d.text for d in drafts.read_drafts(lab)), "a draft")
        assert file(lab) == TRIAL
        await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
        await until(pilot, lambda: drafts.read_drafts(lab) == [], "the draft to go")
        assert "unsaved" not in app.told("#state")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("r", "\n-bs of 64 could be bigger\n-typed before the crash\n"),
        ("f", "\n-bs of 64 could be bigger\n"),
        ("b", "\n-bs of 64 could be bigger\n-typed before the crash\n"),
    ],
)
async def test_a_draft_is_offered_beside_the_file(lab: Path, key: str, text: str) -> None:
    seen = load_notebook(lab).versions["v0"].takeaways
    draft = Draft("v0", "takeaways", seen + "-typed before the crash\n", seen, time.time() - 60)
    drafts.write_draft(lab, draft)
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DraftOfferScreen), "the offer")
        assert drafts.read_drafts(lab) == [draft]
        await pilot.press(key)
        await opened(pilot, app)
        assert app.area.text.removesuffix("-") == text.removeprefix("\n")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert load_notebook(lab).versions["v0"].takeaways == text.removeprefix("\n")
    assert drafts.read_drafts(lab) == []


async def test_deciding_later_keeps_the_draft(lab: Path) -> None:
    seen = load_notebook(lab).versions["v0"].takeaways
    drafts.write_draft(lab, Draft("v0", "takeaways", "other", seen, time.time()))
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DraftOfferScreen), "the offer")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert [d.text for d in drafts.read_drafts(lab)] == ["other"] and file(lab) == TRIAL


async def test_a_draft_equal_to_the_file_is_not_offered(lab: Path) -> None:
    seen = load_notebook(lab).versions["v0"].takeaways
    drafts.write_draft(lab, Draft("v0", "takeaways", seen, "", time.time()))
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)


def test_both_texts_in_one() -> None:
    assert files.combine_texts("-a\n-b\n", "-a\n-b\n-c\n") == "-a\n-b\n-c\n"
    assert files.combine_texts("-a\n-x\n", "-a\n-y\n") == "-a\n-x\n-y\n"
    assert files.combine_texts("-a", "-a\n-b") == "-a\n-b"
    assert files.combine_texts("", "-b") == "-b"


async def test_a_change_made_elsewhere_is_merged_into_the_area(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-mine")
        (lab / paths.NOTEBOOK).write_text(TRIAL.replace("'''\n-bs of", "'''\n-theirs\n-bs of"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "-theirs" in app.area.text, "the merge")
        assert app.area.text == "-theirs\n-bs of 64 could be bigger\n-mine"
        assert "merged" in app.told("#banner")
    assert "-theirs\n-bs of 64 could be bigger\n-mine'''" in file(lab)


async def test_a_conflict_keeps_both_texts_and_says_so(lab: Path) -> None:
    app = EditorApp(lab, field="summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"mine")
        (lab / paths.NOTEBOOK).write_text(TRIAL.replace("First.", "First.theirs"))
        await pilot.press("escape")
        await until(pilot, lambda: "both texts" in app.told("#banner"), "the conflict")
        assert "First.mine" in app.area.text and "First.theirs" in app.area.text
        assert app.back == []
        await pilot.press("escape")
        await until(pilot, lambda: app.back == ["v0"], "the way back")
    assert "First.mine" in file(lab) and "First.theirs" in file(lab)
    assert load_notebook(lab).versions["v0"].problems == ()


async def test_what_cannot_be_saved_stays_as_a_draft(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-kept")
        (lab / paths.NOTEBOOK).unlink()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        assert "Not saved" in app.told("#banner")
        await pilot.press("n")
        await until(pilot, lambda: app.screen is app.editor, "the editor")
        assert app.area.text.endswith("-kept")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        await pilot.press("y")
        await until(pilot, lambda: app.back == ["v0"], "the way back")
    assert [d.text.endswith("-kept") for d in drafts.read_drafts(lab)] == [True]


async def test_control_characters_are_shown_clean_and_come_back_unchanged(lab: Path) -> None:
    app = EditorApp(lab, "v1", "summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        assert "signs" in app.told("#banner").lower()
        drawn = "".join(app.area.render_line(y).text for y in range(2))
        assert "[/] but␛[31m odd" in drawn
        await pilot.press("exclamation_mark", "ctrl+s")
        await until(pilot, lambda: "saved " in app.told("#state"), "the save")
    assert load_notebook(lab).versions["v1"].summary == "Same as v0 [/] but\x1b[31m odd!"


async def test_a_crlf_notebook_stays_crlf(lab: Path) -> None:
    (lab / paths.NOTEBOOK).write_bytes(TRIAL.replace("\n", "\r\n").encode())
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-a", "enter", *"b", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    expected = TRIAL.replace("bigger\n", "bigger\n-a\n-b").replace("\n", "\r\n")
    assert file(lab) == expected


async def test_a_read_only_notebook_is_said_before_typing_starts(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab / paths.NOTEBOOK).chmod(0o444)
    if os.geteuid() == 0:  # to whom nothing is read-only
        monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o200))
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "read-only" in app.told("#banner"), "the warning")
        before = app.area.text
        await pilot.press(*"-x", "enter", "tab", "ctrl+t", "ctrl+l", "ctrl+w", "ctrl+s")
        assert app.area.text == before
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == TRIAL and drafts.read_drafts(lab) == []


async def test_a_read_only_folder_is_said_before_typing_starts(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a symbolic link: it is the folder of the file itself that a save needs."""
    real = lab / "elsewhere"
    real.mkdir()
    (lab / paths.NOTEBOOK).rename(real / "notes.toml")
    (lab / paths.NOTEBOOK).symlink_to(real / "notes.toml")
    real.chmod(0o555)
    if os.geteuid() == 0:  # to whom nothing is read-only
        monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o200))
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "The folder" in app.told("#banner"), "the warning")
        assert "elsewhere is read-only for you" in " ".join(app.told("#banner").split())
        assert app.area.read_only
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    real.chmod(0o755)


async def test_hard_links_are_said_before_typing_starts(lab: Path) -> None:
    os.link(lab / paths.NOTEBOOK, lab / "copy.toml")
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        assert "another name (hard links)" in app.told("#banner")
        await pilot.press(*"-a", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert "-a" in file(lab)
    assert (lab / "copy.toml").read_text() == TRIAL


async def test_a_note_that_cannot_be_read_whole_is_not_written_over(lab: Path) -> None:
    broken = TRIAL + '[versions.v2]\nsummary = "no end\n'
    (lab / paths.NOTEBOOK).write_text(broken)
    app = EditorApp(lab, "v2", "summary")
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Mend it there first" in app.told("#banner"), "the warning")
        await pilot.press("x", "escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert file(lab) == broken


async def test_a_version_that_went_away_is_said(lab: Path) -> None:
    app = EditorApp(lab, "v9")
    async with app.run_test() as pilot:
        await until(pilot, lambda: bool(app.back), "the way back")


async def test_saves_do_not_stop_typing(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        for letter in "-steady":
            await pilot.press(letter, "ctrl+s")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    await asyncio.sleep(0)
    assert file(lab) == TRIAL.replace("bigger\n", "bigger\n-steady")


async def test_drafts_that_cannot_be_kept_are_called_out(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"-x")
        await until(pilot, lambda: "not being kept" in app.told("#banner"), "the warning")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.back), "the way back")
    assert "bigger\n-x'''" in file(lab)
