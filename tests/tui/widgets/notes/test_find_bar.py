"""Search in a note: the first hit while one types, the others by keys, all of them marked; nothing is changed by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.notes.find_bar import FindBar
from imgexp_tui.views.notes import search
from tests.conftest import NewLab
from tests.support.editor_app import EditorApp, opened

TEXT = "- loss one\n- 数据 Loss two\n\n- none [a-z]*\n- loss three loss"


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(f"[versions.v0]\ntakeaways = '''\n{TEXT}\n'''\nsummary = 'loss'\n")


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("loss", [(0, 2), (1, 5), (4, 2), (4, 13)]),
        ("Loss", [(1, 5)]),
        ("[a-z]*", [(3, 7)]),
        ("数据", [(1, 2)]),
        ("nothing", []),
    ],
)
def test_small_letters_find_capitals_too(sought: str, found: list[tuple[int, int]]) -> None:
    pattern = search.compile_query(sought)
    assert pattern
    assert [start for start, _ in search.find_matches(TEXT.split("\n"), pattern)] == found


def test_letters_that_grow_when_lowered_do_not_shift_the_hits() -> None:
    pattern = search.compile_query("x")
    assert pattern and search.find_matches(["İİx"], pattern) == [((0, 2), (0, 3))]


async def ready(pilot: Pilot[None], app: EditorApp) -> NoteArea:
    await opened(pilot, app)
    await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
    app.area.move_cursor((0, 0))
    return app.area


def told(app: EditorApp) -> str:
    return str(app.editor.query_one("#hits", Static).render())


async def test_typing_jumps_to_the_first_hit_and_keys_to_the_others(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test(size=(80, 24)) as pilot:
        area = await ready(pilot, app)
        before = area.text
        await pilot.press("ctrl+f", *"loss")
        assert area.selected_text == "loss" and "1/4" in told(app)
        rows = []
        for key in ("enter", "f3", "down", "enter", "ctrl+r", "up"):
            await pilot.press(key)
            rows.append(min(area.selection))
        assert rows == [(1, 5), (4, 2), (4, 13), (0, 2), (4, 13), (4, 2)]
        await pilot.press("escape")
        assert app.area is area and area.selection.is_empty and area.cursor_location == (4, 2)
        assert not app.editor.query_one(FindBar).display and area.text == before
        await pilot.press("f3")
        assert area.selected_text == "loss" and min(area.selection) == (4, 13)
        assert app.screen is app.editor


async def test_hits_are_marked_while_one_searches(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test(size=(80, 24)) as pilot:
        area = await ready(pilot, app)

        def marked() -> list[str]:
            lines = [area.render_line(y) for y in range(6)]
            return [s.text for line in lines for s in line if s.style and s.style.underline and s.text.strip()]

        await pilot.press("ctrl+f", *"loss")
        assert "".join(marked()).lower() == "loss" * 4
        await pilot.press("backspace", "backspace")
        assert "".join(marked()).lower() == "lo" * 4
        await pilot.press("escape")
        assert marked() == []


async def test_what_is_not_there_leaves_the_cursor_where_it_was(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test(size=(80, 24)) as pilot:
        area = await ready(pilot, app)
        area.move_cursor((1, 3))
        await pilot.press("ctrl+f", *"twx")
        assert "not found" in told(app) and area.cursor_location == (1, 3)
        await pilot.press("enter", "backspace")
        assert area.selected_text == "tw"
        await pilot.press("backspace", "backspace", "backspace", "escape")
        assert area.cursor_location == (1, 3)


async def test_what_is_selected_is_sought(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test(size=(80, 24)) as pilot:
        area = await ready(pilot, app)
        area.selection = type(area.selection)((4, 7), (4, 12))
        await pilot.press("ctrl+f")
        assert app.editor.query_one("#find Input", Input).value == "three" and "1/1" in told(app)


async def test_another_note_closes_the_search(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, app)
        await pilot.press("ctrl+f", *"loss", "ctrl+n")
        await pilot.pause()
        assert app.area.id == "observed" and not app.editor.query_one(FindBar).display
        await pilot.press("ctrl+n", "ctrl+f")
        await pilot.pause()
        assert "1/1" in told(app), "it goes on with the same words in the summary"
