"""The text area for notes: lists go on, nothing is changed that was not typed, nothing raw is drawn."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult
from textual.document._wrapped_document import WrappedDocument
from textual.pilot import Pilot

from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.notes.document import NoteDocument
from imgexp_tui.tui.widgets.notes.wrapped_document import WrappedNoteDocument, wrap_offsets
from imgexp_tui.views.notes import bullets, markup
from imgexp_tui.views.notes.safe_characters import has_unsafe


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [
        ("- a", "- "),
        ("-bs of 64", "-"),
        ("* a", "* "),
        ("+ a", "+ "),
        ("  - a", "  - "),
        ("\t-a", "\t-"),
        ("1. a", "2. "),
        ("9) a", "10) "),
        ("- [ ] a", "- [ ] "),
        ("- [x] a", "- [ ] "),
        ("    prose", "    "),
        ("prose", ""),
        ("*stressed* word", ""),
        ("1.5 is a lot", ""),
        ("--", ""),
        ("[/] a", ""),
    ],
)
def test_enter_goes_on_in_the_manner_of_the_line(line: str, goes_on: str) -> None:
    assert bullets.edit_for_enter(line, len(line)) == bullets.EnterEdit(len(line), "\n" + goes_on)


@pytest.mark.parametrize("line", ["-", "- ", "    - ", "* ", "3. ", "- [ ] ", "- [x]"])
def test_enter_on_an_empty_bullet_ends_the_list(line: str) -> None:
    assert bullets.edit_for_enter(line, len(line)) == bullets.EnterEdit(0, "")


def test_enter_before_the_words_only_breaks_the_line() -> None:
    assert bullets.edit_for_enter("- a", 0) == bullets.EnterEdit(0, "\n")
    assert bullets.edit_for_enter("- [ ] a", 3) == bullets.EnterEdit(3, "\n")


@pytest.mark.parametrize(
    ("note", "bullet"),
    [
        ("- a\n", "- "),
        ("-a", "-"),
        ("-a\r\n-b\r\n", "-"),
        ("* a\n    - nested\n", "* "),
        ("- a\n  goes on\n\n", "- "),
        ("1. a\n2. b\n", "3. "),
        ("- [x] a\n", "- [ ] "),
        ("- a\n\nProse.\n", ""),
        ("- a\n-\n", ""),
        ("    prose\n", ""),
        ("", ""),
    ],
)
def test_a_list_at_the_end_gives_the_next_bullet(note: str, bullet: str) -> None:
    assert bullets.next_bullet(note) == bullet


def test_nesting_follows_the_author() -> None:
    assert bullets.indent_step(["-a", "\t-b"]) == "\t"
    assert bullets.indent_step(["- a", "      - c", "  - b"]) == "  "
    assert bullets.indent_step(["-a", "  prose"]) == "    "
    assert bullets.dedent_line("\t-a", "    ") == "-a"
    assert bullets.dedent_line("  -a", "    ") == "-a"
    assert bullets.dedent_line("-a", "    ") == "-a"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["- [ ] try"], ["- [x] try"]),
        (["  - [x] try"], ["  - [ ] try"]),
        (["1. [X] try"], ["1. [ ] try"]),
        (["- try"], ["- [ ] try"]),
        (["-try 数据"], ["- [ ] try 数据"]),
        (["\ttry"], ["\t- [ ] try"]),
        ([""], ["- [ ] "]),
        (["-"], ["- [ ] "]),
        (["- [x] a", "- [ ] b"], ["- [x] a", "- [x] b"]),
        (["- [x] a", "", "- [x] b"], ["- [ ] a", "", "- [ ] b"]),
        (["- [x] a", "- b"], ["- [x] a", "- [ ] b"]),
        (["- a [ ] b"], ["- [ ] a [ ] b"]),
    ],
)
def test_boxes_are_given_ticked_and_unticked(before: list[str], after: list[str]) -> None:
    assert bullets.toggle_boxes(before) == after


TEXTS = [
    "",
    "a",
    "-a\n",
    "\n\n",
    "-a\r\n-b\r\n",
    "-a\r\n-b\n",
    "lone \r return",
    "\x1b[31mred\x1b[0m \x00 \x7f \x9b \x0c form \x0b \x85 next",
    "\u2028 line \u2029 separators\n",
    "bidi \u202e abc \u2066 half \ud800 a surrogate",
    "数据 🧪 e\u0301 [/] [b]x[/b] \t tab",
]


PLACES = st.integers(0, 9)
LETTERS = st.text(st.sampled_from("ab  \t-数🧪\u0301\u200d"), max_size=60)


@given(LETTERS, st.integers(0, 20))
@example("one two three", 7)
def test_a_line_breaks_where_textual_breaks_it(line: str, width: int) -> None:
    document = NoteDocument(line)
    assert wrap_offsets(document[0], width, 4) == WrappedDocument(document, width, 4).get_offsets(0)


@settings(deadline=None)
@given(
    LETTERS,
    st.integers(1, 9),
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 5), st.integers(0, 9), LETTERS), max_size=6
    ),
)
def test_edits_wrap_as_textual_wraps_them(text: str, width: int, edits: list[tuple[int, int, int, int, str]]) -> None:
    document = NoteDocument(text.replace("-", "\n"))
    ours = WrappedNoteDocument(document, width, 4)
    for row, column, to_row, to_column, new in edits:
        start, end = sorted(_within(document, place) for place in ((row, column), (to_row, to_column)))
        result = document.replace_range(start, end, new.replace("-", "\n"))
        ours.wrap_range(start, end, result.end_location)
        theirs = WrappedDocument(document, width, 4)
        assert ours._wrap_offsets == theirs._wrap_offsets
        assert ours._tab_width_cache == theirs._tab_width_cache
        assert ours._line_index_to_offsets == theirs._line_index_to_offsets
        assert ours._offset_to_line_info == theirs._offset_to_line_info
        assert ours.height == theirs.height


def _within(document: NoteDocument, place: tuple[int, int]) -> tuple[int, int]:
    row = min(place[0], document.line_count - 1)
    return row, min(place[1], len(document[row]))


@pytest.mark.parametrize("text", TEXTS)
def test_a_document_gives_back_what_it_was_given(text: str) -> None:
    document = NoteDocument(text)
    document.replace_range((0, 0), (0, 0), "x")
    document.replace_range((0, 0), (0, 1), "")
    assert document.text == text
    assert not any(c in line for line in document.lines for c in "\x1b\x9b\u202e\r")


def test_which_notes_show_signs() -> None:
    assert has_unsafe("a\x1b[0m") and has_unsafe("a\r\nb\n") and has_unsafe("a\u202e")
    assert not has_unsafe("a\r\nb\r\n") and not has_unsafe("-数据\n\ta")


class Host(App[None]):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield NoteArea(id="area")

    def on_mount(self) -> None:
        self.area.load_text(self._text)
        self.area.move_cursor(self.area.document.end)
        self.area.focus()

    @property
    def area(self) -> NoteArea:
        return self.query_one(NoteArea)


async def typed(pilot: Pilot[None], text: str) -> None:
    names = {"\n": "enter", " ": "space", "-": "minus", "[": "left_square_bracket", "]": "right_square_bracket"}
    await pilot.press(*(names.get(c, c) for c in text))


async def test_a_list_is_written_nested_and_ended() -> None:
    app = Host("-first\n")
    async with app.run_test() as pilot:
        await typed(pilot, "-b\nc")
        await pilot.press("tab")
        await typed(pilot, "\nd")
        await pilot.press("shift+tab")
        await typed(pilot, "\n\nend")
        assert app.area.text == "-first\n-b\n    -c\n-d\nend"


async def test_every_step_can_be_undone_and_redone() -> None:
    app = Host("- a")
    async with app.run_test() as pilot:
        await typed(pilot, "\nb")
        await pilot.press("tab")
        app.area.insert_update()
        written = app.area.text
        for _ in range(10):
            await pilot.press("ctrl+z")
        assert app.area.text == "- a"
        for _ in range(10):
            await pilot.press("ctrl+y")
        assert app.area.text == written


async def test_several_selected_bullets_nest_together() -> None:
    app = Host("- a\n\n- b")
    async with app.run_test() as pilot:
        await pilot.press("f7", "tab")
        assert app.area.text == "    - a\n\n    - b"
        await pilot.press("ctrl+z")
        assert app.area.text == "- a\n\n- b"


async def test_a_box_is_ticked_where_the_cursor_is_and_the_cursor_stays() -> None:
    app = Host("- try 数据\n- other")
    async with app.run_test() as pilot:
        await pilot.press("up", "end")
        app.area.toggle_box()
        app.area.toggle_box()
        await typed(pilot, "x")
        assert app.area.text == "- [x] try 数据x\n- other"
        await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
        assert app.area.text == "- try 数据\n- other"


async def test_the_dated_mark_waits_for_its_words() -> None:
    app = Host("- slow")
    async with app.run_test() as pilot:
        app.area.insert_update()
        await typed(pilot, "no")
        assert app.area.text == f"- slow [UPDATE {time.strftime('%Y-%m-%d')}: no]"


async def test_control_characters_are_shown_as_signs_and_kept() -> None:
    app = Host("a\x1b[2Jb\x07 [/] \u202ec")
    async with app.run_test() as pilot:
        shown = "\n".join(strip.text for strip in (app.area.render_line(y) for y in range(3)))
        assert "a␛[2Jb␇ [/] �c" in shown and "\x1b" not in shown
        await typed(pilot, "d")
        assert app.area.text == "a\x1b[2Jb\x07 [/] \u202ecd"


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("-bs of 64", {"-": "bullet"}),
        ("  * a `b*c` **d e**", {"*": "bullet", "`b*c`": "code", "**d e**": "bold"}),
        ("- [ ] try", {"-": "bullet", "[ ]": "box"}),
        ("3. [x] tried", {"3.": "bullet", "[x]": "box", "[x] tried": "done"}),
        ("## Results", {"## Results": "heading"}),
        ("#hash", {}),
        ("--", {}),
        ("1.5 and **", {}),
        ("slow [UPDATE 2024-01-02: no] now", {"[UPDATE 2024-01-02: no]": "update"}),
        ("slow [UPDATE: loss", {"[UPDATE: loss": "update"}),
        ("数据 see https://x.org/a?b=c (there)", {"https://x.org/a?b=c": "link"}),
        ("\t- `nested`", {"-": "bullet", "`nested`": "code"}),
        ("[/] [b]x[/b]", {}),
    ],
)
def test_what_is_marked_up(line: str, kinds: dict[str, str]) -> None:
    assert {line[start:end]: kind for start, end, kind in markup.markup_spans(line)} == kinds


@pytest.mark.parametrize(
    "text", ["- [x] done `code` 数据 **b**", "\t- [ ] tab\tand `数\t据`", "# 🧪 e\u0301 https://x.org"]
)
async def test_markup_changes_how_a_line_looks_and_nothing_of_its_cells(text: str) -> None:
    app = Host(text)
    async with app.run_test(size=(24, 12)) as pilot:
        marked = [app.area.render_line(y) for y in range(5)]
        app.area.highlights_markdown = False
        app.area.notify_style_update()
        bare = [app.area.render_line(y) for y in range(5)]
        assert [strip.text for strip in marked] == [strip.text for strip in bare]
        assert [strip.cell_length for strip in marked] == [strip.cell_length for strip in bare]
        assert marked != bare and app.area.text == text
        await pilot.pause()


async def test_marks_are_told_apart_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Host("- [x] done\n# head\nhttps://x.org\n")
    async with app.run_test():
        looks = [s.style for y in range(3) for s in app.area.render_line(y) if s.style and s.text.strip()]
        assert any(style.dim for style in looks) and any(style.bold for style in looks)
        assert any(style.underline for style in looks)


async def test_crlf_stays_crlf() -> None:
    app = Host("-a\r\n-b")
    async with app.run_test() as pilot:
        await typed(pilot, "\nc")
        assert app.area.text == "-a\r\n-b\r\n-c"
        app.area.replace_text("-a\n-x\n-c")
        assert app.area.text == "-a\r\n-x\r\n-c"
        await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
        assert app.area.text == "-a\r\n-b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a\nb"),
        ("a\nb", ""),
        ("-a\n-b\n", "-a\n-x\n-b\n"),
        ("aaa", "aa"),
        ("数据\n🧪", "数\n🧪据"),
        ("a\x1bb", "b\x1ba"),
    ],
)
async def test_a_change_from_outside_is_one_undoable_edit(before: str, after: str) -> None:
    app = Host(before)
    async with app.run_test() as pilot:
        app.area.replace_text(after)
        assert app.area.text == after
        await pilot.press("ctrl+z")
        assert app.area.text == before


async def test_undoing_a_paste_that_needed_a_scrollbar() -> None:
    app = Host("- a")
    async with app.run_test(size=(40, 10)) as pilot:
        app.area.post_message(events.Paste("x\r" * 200))
        await pilot.pause()
        await pilot.press("ctrl+z")
        assert app.area.text == "- a"


async def test_a_large_coloured_paste_arrives_whole_and_clean() -> None:
    app = Host("")
    async with app.run_test() as pilot:
        line = "epoch \x1b[32m1\x1b[0m loss 0.69 数据"
        app.area.post_message(events.Paste("\r".join([line] * 5000)))
        await pilot.pause()
        assert app.area.text == "\n".join(["epoch 1 loss 0.69 数据"] * 5000)
        await typed(pilot, "\nx")
        assert app.area.text.endswith("数据\nx")


async def test_word_motions_know_letters_of_every_script() -> None:
    app = Host("naïve 数据 loss_e\u0301 🧪 x")
    async with app.run_test() as pilot:
        stops = []
        for key in ("alt+b", "ctrl+left", "alt+b"):
            await pilot.press(key)
            stops.append(app.area.text[app.area.cursor_location[1] :])
        assert stops[0] == "x" and stops[-1].startswith("loss_e"), stops
        await pilot.press("home", "ctrl+right", "ctrl+right", "alt+f")
        assert app.area.text[: app.area.cursor_location[1]].strip() == "naïve 数据 loss_e\u0301"
        await pilot.press("alt+b")
        assert app.area.text[: app.area.cursor_location[1]].strip() == "naïve 数据"
        await pilot.press("end", "alt+b", "ctrl+w", "ctrl+w")
        assert app.area.text == "naïve 数据 x"
        await pilot.press("ctrl+z", "ctrl+z")
        assert app.area.text == "naïve 数据 loss_e\u0301 🧪 x"
        await pilot.press("alt+q")
        assert app.area.text == "naïve 数据 loss_e\u0301 🧪 x", "an alt key that means nothing types nothing"


@pytest.mark.parametrize(
    "text", ["数据\t🧪 a", "\t- 数", "e\u0301e\u0301\tx", "\t- [ ] 数据 and so on and so forth 数据数据 🧪🧪"]
)
@pytest.mark.parametrize("columns", [14, 60])
async def test_the_cursor_is_drawn_where_the_text_is(text: str, columns: int) -> None:
    """Behind wide characters, combining marks and tabs, wrapped or not."""
    app = Host(text)
    async with app.run_test(size=(columns, 20)) as pilot:
        for column in range(len(text) + 1):
            app.area.move_cursor((0, column))
            await pilot.pause()
            x, y = app.area.cursor_screen_offset - app.area.content_region.offset
            before, cells = 0, []
            for segment in app.area.render_line(y):
                if segment.style and segment.style.reverse:
                    cells.append(before)
                before += segment.cell_length
            assert cells[:1] == [x], f"at column {column}"


@pytest.mark.parametrize("step", [["数", "据"], ["🧪"], ["e", "\u0301"]])
async def test_wide_characters_are_typed_deleted_undone_and_redone(step: list[str]) -> None:
    app = Host("- a")
    async with app.run_test() as pilot:
        for character in step:
            app.area.post_message(events.Key("x", character))
        await pilot.pause()
        assert app.area.text == "- a" + "".join(step)
        await pilot.press(*["backspace"] * len(step))
        assert app.area.text == "- a"
        for _ in range(5):
            await pilot.press("ctrl+z")
        assert app.area.text == "- a"
        for _ in range(5):
            await pilot.press("ctrl+y")
        assert app.area.text == "- a"
        app.area.insert_with_spaces("数据 0.19")
        await pilot.press("ctrl+w", "ctrl+z")
        assert app.area.text == "- a 数据 0.19"
