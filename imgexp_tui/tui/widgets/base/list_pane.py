"""A pane of rows with a cursor: the keys, the mouse and the scrolling that every such list shares."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from imgexp_tui.tui.widgets.base.styled_view import Pane


class ListPane(Pane):
    """One row of `lines` is under the cursor. Draws only what has changed, and only the rows in sight."""

    COMPONENT_CLASSES = {"pane--cursor"}
    DEFAULT_CSS = """
    ListPane {
        & > .pane--cursor { background: $primary 22%; }
        &:ansi > .pane--cursor { background: ansi_default; text-style: bold; }
        &:nocolor > .pane--cursor { text-style: bold; }
    }
    """

    class CursorMoved(Message):
        """The cursor is on another row."""

    class ItemOpened(Message):
        """A row was clicked while the cursor was on it."""

    cursor = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def move(self, rows: int) -> None:
        """Move the cursor by `rows`, as far as it goes."""
        self.move_to(self.cursor + rows)

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
        """Scroll so that the cursor shows."""
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height > 0:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        if at != self.cursor or not 0 <= at < len(self.lines):
            return super().render_line(y)
        self._dirty_regions.clear()
        found = self.get_visual_style("pane--cursor").rich_style
        under = Style(bgcolor=found.bgcolor, bold=found.bold)
        return self.to_strip(self.lines[at], self.size.width, under)

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
