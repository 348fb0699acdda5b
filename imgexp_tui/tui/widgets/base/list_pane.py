"""The base of every list of rows with a cursor: keyboard moves, mouse clicks, scrolling, and keeping the cursor's item.

A list of one row an item builds on `ListPane`; a list whose items take several rows builds on `item_list.ItemList`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from imgexp_tui.tui.textual_compat import clear_dirty_regions
from imgexp_tui.tui.widgets.base.styled_view import Pane

T = TypeVar("T")


class ListPane(Pane, Generic[T]):
    """Shows one row for each of its items, and a cursor. Redraws only rows that changed and are in sight.

    Attributes:
        items: what the rows show, in order. Set with `set_items`, which keeps the cursor on the same item.
        cursor: the row under the cursor, 0-based; 0 in an empty list.
    """

    COMPONENT_CLASSES = {"pane--cursor"}
    DEFAULT_CSS = """
    ListPane {
        & > .pane--cursor { background: $primary 22%; }
        &:ansi > .pane--cursor { background: ansi_default; text-style: bold; }
        &:nocolor > .pane--cursor { text-style: bold; }
    }
    """

    class CursorMoved(Message):
        """The cursor is on another row, or its row has another item."""

    class ItemOpened(Message):
        """The row under the cursor was double-clicked."""

    items: Sequence[T] = ()
    cursor = 0

    def key(self, item: T) -> Hashable:
        """Returns what identifies an item when the list changes; the item itself unless a subclass overrides this."""
        return item

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.items)

    @property
    def selected(self) -> T | None:
        """The item under the cursor; None in an empty list."""
        return self.items[self.cursor] if self.items else None

    def row_of(self, item: T) -> int | None:
        """Returns the row that shows `item` now, or None for "not there": the cursor then keeps its row."""
        key = self.key(item)
        return next((row for row, other in enumerate(self.items) if self.key(other) == key), None)

    def replace_items(self, items: Sequence[T], select: T | None = None) -> None:
        """Replace the items without drawing. The cursor stays on its item, or goes to `select` where that is given."""
        item = self.selected if select is None else select
        self.items = items
        row = None if item is None else self.row_of(item)
        self.cursor = max(0, min(self.cursor if row is None else row, self.count - 1))

    def set_items(self, items: Sequence[T], select: T | None = None) -> None:
        """Show `items` in place of those before. The cursor stays on its item, or goes to `select` if given."""
        self.replace_items(items, select)
        self.rebuild()
        self.scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def move(self, rows: int) -> None:
        """Move the cursor by `rows`, at most to the first or last row."""
        self.move_to(self.cursor + rows)

    def move_pages(self, pages: int) -> None:
        """Move the cursor by `pages` screens, which overlap by one row."""
        self.move(pages * max(1, self.size.height - 1))

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        index = max(0, min(index, self.count - 1))
        if index == self.cursor or not self.count:
            return
        before, self.cursor = self.cursor, index
        self.rebuild()
        for row in (before, index):
            self.refresh_cells(row, 0, self.size.width)
        self.scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def scroll_to_cursor(self) -> None:
        """Scroll so that the cursor is in sight."""
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height > 0:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        if at != self.cursor or not 0 <= at < len(self.lines):
            return super().render_line(y)
        clear_dirty_regions(self)
        return self.to_strip(self.lines[at], self.size.width, self.cursor_style())

    def cursor_style(self) -> Style:
        """The background and weight of the row under the cursor; its text keeps its own colours."""
        style = self.get_visual_style("pane--cursor").rich_style
        return Style(bgcolor=style.bgcolor, bold=style.bold)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = offset.y + self.scroll_offset.y
        if at == self.cursor and event.chain == 2:
            self.post_message(self.ItemOpened())
        elif 0 <= at < self.count:
            self.move_to(at)

    def on_resize(self) -> None:
        super().on_resize()
        self.scroll_to_cursor()
