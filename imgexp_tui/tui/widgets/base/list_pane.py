"""A pane of rows with a cursor: the keys, the mouse and the scrolling that every such list shares."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from imgexp_tui.tui.widgets.base.styled_view import Pane


class CursorPane(Pane):
    """One row of `lines` is under the cursor. Draws only what has changed, and only the rows in sight."""

    COMPONENT_CLASSES = {"pane--cursor"}
    DEFAULT_CSS = """
    CursorPane {
        & > .pane--cursor { background: $primary 22%; }
        &:ansi > .pane--cursor { background: ansi_default; text-style: bold; }
        &:nocolor > .pane--cursor { text-style: bold; }
    }
    """

    class Moved(Message):
        """The cursor is on another row."""

    class Opened(Message):
        """A row was clicked while the cursor was on it."""

    cursor = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def move(self, rows: int) -> None:
        """Move the cursor by `rows`, as far as it goes."""
        self.go(self.cursor + rows)

    def go(self, at: int) -> None:
        """Put the cursor on a row."""
        at = max(0, min(at, self.count - 1))
        if at == self.cursor or not self.count:
            return
        before, self.cursor = self.cursor, at
        self.rebuild()
        for row in (before, at):
            self.refresh_cells(row, 0, self.size.width)
        self.keep_in_sight()
        self.post_message(self.Moved())

    def keep_in_sight(self) -> None:
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
        return self.strip_of(self.lines[at], self.size.width, under)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = offset.y + self.scroll_offset.y
        if at == self.cursor and event.chain == 2:
            self.post_message(self.Opened())
        elif 0 <= at < self.count:
            self.go(at)

    def on_resize(self) -> None:
        super().on_resize()
        self.keep_in_sight()
