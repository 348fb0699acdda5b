"""A list with a cursor whose things take as many lines as their words need; only those in sight are drawn."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.strip import Strip

from imgexp_tui.tui.widgets.base.list_pane import CursorPane
from imgexp_tui.views.item_layout import Laid
from imgexp_tui.views.styled import Line, line
from imgexp_tui.views.wrap import wrap


class TallList(CursorPane):
    """The first cell of every line of a thing is left to the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._laid = Laid()
        self._otherwise = ""

    def lay_out(self, width: int) -> Laid:
        """The things as lines."""
        raise NotImplementedError

    def build(self, width: int, height: int) -> list[Line]:
        self._laid = self.lay_out(width)
        if not self.count:
            return [line((f" {text}", "quiet")) for text in wrap(self._otherwise, width - 2)]
        return self._laid.lines

    def go(self, at: int) -> None:
        at = max(0, min(at, self.count - 1))
        if at == self.cursor or not self.count:
            return
        before, self.cursor = self.cursor, at
        for one in (before, at):
            for row in range(*self._rows(one)):
                self.refresh_cells(row, 0, self.size.width)
        self.keep_in_sight()
        self.post_message(self.Moved())

    def page(self, pages: int) -> None:
        """Move the cursor by what is in sight, at least to the next thing."""
        step = pages * max(1, self.size.height - 1)
        here, at = self._rows(self.cursor)[0], self.cursor
        while 0 <= at + pages < self.count and abs(self._rows(at)[0] - here) < abs(step):
            at += pages
        self.go(at)

    def keep_in_sight(self) -> None:
        if not self.cursor < len(self._laid.spans):
            return
        top, _, end = self._laid.spans[self.cursor]
        at, height = self.scroll_offset.y, self.size.height
        if top < at or end - top > height:
            self.scroll_to(y=top, animate=False)
        elif end > at + height > 0:
            self.scroll_to(y=end - height, animate=False)

    @property
    def shows_cursor(self) -> bool:
        """Whether the cursor is drawn."""
        return True

    def _rows(self, at: int) -> tuple[int, int]:
        """The lines of a thing."""
        return self._laid.spans[at][1:] if at < len(self._laid.spans) else (0, 0)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        start, end = self._rows(self.cursor)
        if not (start <= at < end and self.shows_cursor and at < len(self.lines)):
            return super(CursorPane, self).render_line(y)
        self._dirty_regions.clear()
        found = self.get_visual_style("pane--cursor").rich_style
        under = Style(bgcolor=found.bgcolor, bold=found.bold)
        (first, role), *rest = self.lines[at]
        return self.strip_of(line(("▌", "mark"), (first[1:], role), *rest), self.size.width, under)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = self._laid.at(offset.y + self.scroll_offset.y) if offset else None
        if at is None:
            return
        if at == self.cursor and event.chain == 2:
            self.post_message(self.Opened())
        else:
            self.go(at)
