"""The list of open ideas: what it shows, what its keys write, and the new version that tries one."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from imgexp_tui import paths
from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.dialogs.idea_tried import IdeaTriedScreen
from imgexp_tui.tui.screens.editor import EditorScreen
from imgexp_tui.tui.screens.help import HelpScreen
from imgexp_tui.tui.screens.ideas import IdeasScreen
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.screens.new_version import NewVersionScreen
from imgexp_tui.tui.widgets.idea_list import IdeaPicker
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.views import ideas as idea_views
from imgexp_tui.views.styled import line_width, plain_text
from tests.helpers import screen_text, shows, until

LONG = "look at the gradients of every layer, from the first to the last, " * 4 + "and then clip [/] them"
NOTEBOOK = f"""\
# a comment
[versions.v0]
summary = '''The first.'''
takeaways = '''
-learns
- [ ] try num_workers > 0
- [ ] {LONG}
- [x] raise the LR (tried in v1)
'''
[versions.v0.train]
batch_size = 64
[versions.v1]
base = "v0"
summary = '''Larger batches.'''
observed = '''
Epoch time: 30 s
- [ ] measure \x1bmemory
'''
[versions.v2]
base = "v1"
""".replace("\x1b", "")


def file_of(lab: Path) -> str:
    return (lab / paths.NOTEBOOK).read_text()


async def lacks(pilot: Pilot[None], word: str) -> None:
    await until(pilot, lambda: word not in screen_text(pilot), f"{word!r} to go")


async def on(pilot: Pilot[None], screen: type) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, screen), screen.__name__)


async def opened(pilot: Pilot[None]) -> IdeasScreen:
    await shows(pilot, "Summary")  # the keys are there
    await pilot.press("i")
    await shows(pilot, "open ideas of all versions", "try num_workers > 0")
    screen = pilot.app.screen
    assert isinstance(screen, IdeasScreen)
    return screen


def picked(screen: IdeasScreen) -> str:
    idea = screen._list.selected
    return idea.text if idea else ""


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_list_has_every_word_of_what_is_open_the_newest_version_first(
    lab: Path, size: tuple[int, int]
) -> None:
    async with LabApp(lab).run_test(size=size) as pilot:
        await opened(pilot)
        text = screen_text(pilot)
        assert text.index("v1  Larger batches.") < text.index("measure memory") < text.index("v0  The first.")
        assert "raise the LR" not in text and "3 open · 1 done" in text
        assert " ".join(text.partition("num_workers > 0")[2].partition("them")[0].split()) + " them" == f"[ ] {LONG}"
        assert "▌ [ ] measure" in text, "the cursor shows without colours"
        await pilot.press("a")
        await shows(pilot, "[x] raise the LR (tried in v1)")
        await pilot.press("a")
        await lacks(pilot, "raise the LR")
        await pilot.press("escape")
        await on(pilot, MainScreen)


async def test_space_ticks_in_the_newest_version_and_opens_again(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j", "space")
        await shows(pilot, "Tried in which version?", "v2")
        await pilot.press("enter")
        ticked = NOTEBOOK.replace("[ ] try num_workers > 0", "[x] try num_workers > 0 (tried in v2)")
        await until(pilot, lambda: file_of(lab) == ticked, "the tick")
        await shows(pilot, "▌ [x] try num_workers > 0 (tried in v2)", "2 open · 2 done")
        assert picked(screen) == "try num_workers > 0"
        await pilot.press("x")
        await until(pilot, lambda: file_of(lab) == NOTEBOOK, "the line as it was")
        await shows(pilot, "▌ [ ] try num_workers > 0", "3 open · 1 done")
        assert isinstance(pilot.app.screen, IdeasScreen)


async def test_another_version_or_none_may_be_named(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("j", "x")
        await on(pilot, IdeaTriedScreen)
        await pilot.press("backspace", "backspace", *"w9", "enter")
        await shows(pilot, "There is no version w9")
        await pilot.press("backspace", "backspace", *"V1", "enter")
        await shows(pilot, "[x] try num_workers > 0 (tried in v1)")
        await pilot.press("G", "x")
        await on(pilot, IdeaTriedScreen)
        await pilot.press("escape")
        await on(pilot, IdeasScreen)
        await pilot.press("g", "x")
        await on(pilot, IdeaTriedScreen)
        await pilot.press("backspace", "backspace", "enter")
        await shows(pilot, "[x] measure memory")
    assert file_of(lab) == NOTEBOOK.replace("[ ] try num_workers > 0", "[x] try num_workers > 0 (tried in v1)").replace(
        "[ ] measure memory", "[x] measure memory"
    )


async def test_a_filter_follows_every_letter_and_goes_by_escape(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"v0 CLIP")
        await until(pilot, lambda: screen._list.count == 1, "one is left")
        assert picked(screen) == LONG
        await shows(pilot, "1 found")
        await pilot.press("enter", "x")
        await on(pilot, IdeaTriedScreen)
        await pilot.press("escape")
        await on(pilot, IdeasScreen)
        await pilot.press("slash", *"zz")
        await shows(pilot, "No open idea holds v0 CLIPzz")
        await pilot.press("escape")
        await until(pilot, lambda: screen._list.count == 3, "all are back")
        assert isinstance(pilot.app.screen, IdeasScreen)
        await pilot.press("escape")
        await on(pilot, MainScreen)


async def test_an_edit_from_outside_shows_and_the_cursor_stays_on_its_idea(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j")
        changed = NOTEBOOK.replace("-learns", "-learns\n- [ ] a new one").replace("- [ ] measure memory", "")
        (lab / paths.NOTEBOOK).write_text(changed)
        await shows(pilot, "a new one")
        await lacks(pilot, "measure memory")
        assert picked(screen) == "try num_workers > 0"


async def test_what_changed_meanwhile_is_not_ticked_and_said(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("j", "x")
        await on(pilot, IdeaTriedScreen)
        changed = NOTEBOOK.replace("try num_workers > 0", "try 4 workers")
        (lab / paths.NOTEBOOK).write_text(changed)
        await pilot.press("enter")
        await shows(pilot, "Not written: this idea is not in the", "[ ] try 4 workers")
    assert file_of(lab) == changed


async def test_enter_opens_the_note_at_the_idea(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("enter")
        await on(pilot, EditorScreen)
        await until(
            pilot, lambda: isinstance(pilot.app.focused, TextArea) and not pilot.app.focused.read_only, "the note"
        )
        await pilot.press(*" too", "escape")
        await on(pilot, IdeasScreen)
        await shows(pilot, "measure memory too")
        await pilot.press("j", "enter")
        await on(pilot, EditorScreen)
        await until(
            pilot, lambda: isinstance(pilot.app.focused, TextArea) and not pilot.app.focused.read_only, "the note"
        )
        area = pilot.app.focused
        assert isinstance(area, NoteArea)
        assert area.id == "takeaways" and area.cursor_location == (1, len("- [ ] try num_workers > 0"))


async def test_a_new_version_tries_the_idea_and_stands_on_the_main_screen(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("j", "n")
        await on(pilot, NewVersionScreen)
        await shows(pilot, "[x] v0: try num_workers > 0", "Tries the idea of v0: try num_workers > 0")
        await pilot.press(*"batch_size", "equals_sign", *"512", "ctrl+s")
        await on(pilot, MainScreen)
        await until(pilot, lambda: pilot.app.screen._table.selected == "v3", "the cursor on it")  # type: ignore[attr-defined]
    made = load_notebook(lab).versions["v3"]
    assert made.base == "v0" and made.own_train == {"batch_size": 512}
    assert made.summary == "Same as v0 but batch_size 64 → 512. Tries the idea of v0: try num_workers > 0"
    assert "- [x] try num_workers > 0 (tried in v3)\n" in load_notebook(lab).versions["v0"].takeaways


async def test_the_form_offers_the_ideas_of_the_base_and_its_bases(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Summary")
        await pilot.press("G", "n")
        await on(pilot, NewVersionScreen)
        await shows(pilot, "v1: measure memory")
        summary = pilot.app.screen.query_one("#summary", NoteArea)
        assert summary.text == "Same as v2."
        await pilot.press("tab")
        assert isinstance(pilot.app.focused, IdeaPicker)
        await pilot.press("space", "down", "enter")
        await until(pilot, lambda: summary.text.count("Tries the idea") == 2, "both in the summary")
        await pilot.press("up", "x")
        await until(
            pilot, lambda: summary.text == "Same as v2. Tries the idea of v0: try num_workers > 0", "one in the summary"
        )
        await pilot.press("tab")
        assert pilot.app.focused is summary
        summary.replace_text("My own words.")
        await pilot.press("shift+tab", "x")
        await until(
            pilot, lambda: summary.text == "My own words.\nTries the idea of v1: measure memory", "a line of its own"
        )
        await pilot.press("down", "x")
        await until(
            pilot, lambda: len(pilot.app.screen.query_one(IdeaPicker).ideas_to_try) == 1, "the other one dropped"
        )
        assert summary.text == "My own words.\nTries the idea of v1: measure memory"
        await pilot.press("ctrl+s")
        await on(pilot, MainScreen)
    assert file_of(lab).startswith(NOTEBOOK.replace("[ ] measure memory", "[x] measure memory (tried in v3)"))


async def test_a_picked_idea_stays_when_the_base_is_another(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("n")  # of v1
        await on(pilot, NewVersionScreen)
        pilot.app.screen.query_one("#base").value = "v0"  # type: ignore[attr-defined]
        await shows(pilot, "[x] v1: measure memory", "[ ] v0: try num_workers > 0", "Same as v0. Tries the idea of v1")


async def test_a_key_of_the_help_and_a_list_without_ideas(lab: Path) -> None:
    (lab / paths.NOTEBOOK).write_text("[versions.v0]\nsummary = 'x'\n")
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Summary")
        await pilot.press("i")
        await shows(pilot, "No open ideas yet", "- [ ] try")
        await pilot.press("space", "enter", "n", "j", "pagedown", "question_mark")
        await on(pilot, HelpScreen)
        await shows(pilot, "Next: open ideas", "say where it was tried", "hold what you type")


async def test_two_thousand_ideas_move_at_once(lab: Path) -> None:
    many = "".join(f"[versions.v{i}]\ntakeaways = '''\n- [ ] try {i}\n- [ ] {LONG} {i}\n'''\n" for i in range(1000))
    (lab / paths.NOTEBOOK).write_text(many)
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Summary")
        await pilot.press("i")
        await shows(pilot, "2,000 open", "try 999")
        screen = pilot.app.screen
        assert isinstance(screen, IdeasScreen)
        drawn = 0
        render = screen._list.render_line

        def counted(y: int) -> object:
            nonlocal drawn
            drawn += 1
            return render(y)

        screen._list.render_line = counted  # type: ignore[method-assign,assignment]
        await pilot.press("j", "j", "j")
        assert picked(screen) == f"{LONG} 998"
        assert drawn < 4 * 24, "rows in sight only"
        await pilot.press("G")
        await shows(pilot, "v0", "try 0")
        await pilot.press("pageup")
        assert 1900 < screen._list.cursor < 1999
        await pilot.press("slash", *"777")
        await until(pilot, lambda: screen._list.count == 2, "the filter")


@pytest.mark.parametrize("room", [20, 80, 200])
def test_lines_fit_and_each_idea_knows_its_own(room: int) -> None:
    book = parse_notebook(NOTEBOOK.replace("learns", "- [ ] 字字字字字字字字字字字字字字"), Path("lab"))
    found = idea_views.group_ideas(book, include_done=True)
    layout = idea_views.layout_groups(found, room)
    assert all(line_width(line) <= room for line in layout.lines)
    ideas = [idea for group in found for idea in group.ideas]
    for idea, (top, start, end) in zip(ideas, layout.item_spans, strict=True):
        words = "".join(plain_text(line).strip() for line in layout.lines[start:end]).replace(" ", "")
        assert idea.text.replace(" ", "") in words and top <= start
        assert layout.item_at(start) == layout.item_at(end - 1) == ideas.index(idea)
