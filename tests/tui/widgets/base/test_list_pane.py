"""A list keeps its cursor on the same item, whatever happens to the list."""

from __future__ import annotations

from collections.abc import Hashable

from textual.app import App, ComposeResult

from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.views.styled import Line, line


class Words(ListPane[tuple[int, str]]):
    def key(self, item: tuple[int, str]) -> Hashable:
        return item[0]

    def build(self, width: int, height: int) -> list[Line]:
        return [line(word) for _, word in self.items]


class WordScreen(StyledScreen[None]):
    def compose(self) -> ComposeResult:
        yield Words()


class WordApp(App[None]):
    moves = 0

    def get_default_screen(self) -> WordScreen:
        return WordScreen()

    def on_list_pane_cursor_moved(self) -> None:
        self.moves += 1


def test_an_empty_list_has_no_item() -> None:
    words = Words()
    assert (words.count, words.selected, words.cursor) == (0, None, 0)
    words.replace_items([(1, "a")])
    words.replace_items([])
    assert (words.count, words.selected, words.cursor) == (0, None, 0)


def test_the_cursor_stays_on_its_item() -> None:
    words = Words()
    words.replace_items([(1, "a"), (2, "b"), (3, "c")], select=(2, ""))
    assert words.selected == (2, "b")
    words.replace_items([(3, "c"), (1, "a"), (2, "changed")])
    assert (words.cursor, words.selected) == (2, (2, "changed"))


def test_the_cursor_keeps_its_row_when_its_item_is_gone() -> None:
    words = Words()
    words.replace_items([(1, "a"), (2, "b"), (3, "c")], select=(2, ""))
    words.replace_items([(1, "a"), (3, "c")])
    assert words.selected == (3, "c")
    words.replace_items([(1, "a")])
    assert words.selected == (1, "a")
    words.replace_items([(4, "d"), (1, "a")], select=(5, "unknown"))
    assert words.cursor == 0


async def test_a_screen_hears_of_every_move() -> None:
    app = WordApp()
    async with app.run_test() as pilot:
        words = app.screen.query_one(Words)
        words.set_items([(1, "a"), (2, "b")])
        await pilot.pause()
        assert app.moves == 1
        words.move(1)
        words.move(1)  # there is no further row
        await pilot.pause()
        assert (app.moves, words.selected) == (2, (2, "b"))
