"""The base of lists whose items take several rows: word-wrapped ideas and findings, drawn only where in sight."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.strip import Strip

from imgexp_tui.tui.textual_compat import clear_dirty_regions
from imgexp_tui.tui.widgets.base.list_pane import ListPane, T
from imgexp_tui.views.item_layout import ItemLayout
from imgexp_tui.views.styled import Line, line
from imgexp_tui.views.wrap import wrap


class ItemList(ListPane[T]):
    """A list of items of any height. The first cell of each of an item's lines is free, for the cursor's bar."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._item_layout = ItemLayout()
        self._empty_text = ""

    def layout_items(self, width: int) -> ItemLayout:
        """Returns the items as lines of `width` cells, and which lines belong to which item."""
        raise NotImplementedError

    def build(self, width: int, height: int) -> list[Line]:
        self._item_layout = self.layout_items(width)
        if not self.count:
            return [line((f" {text}", "quiet")) for text in wrap(self._empty_text, width - 2)]
        return self._item_layout.lines

    def set_items(self, items: Sequence[T], select: T | None = None) -> None:
        self.replace_items(items, select)
        self.rebuild()
        self.refresh()
        self.scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def move_to(self, index: int) -> None:
        index = max(0, min(index, self.count - 1))
        if index == self.cursor or not self.count:
            return
        before, self.cursor = self.cursor, index
        for item in (before, index):
            for row in range(*self._item_rows(item)):
                self.refresh_cells(row, 0, self.size.width)
        self.scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def move_pages(self, pages: int) -> None:
        """Move the cursor by as many items as fit in the pane, at least by one."""
        step = pages * max(1, self.size.height - 1)
        first_row, at = self._item_rows(self.cursor)[0], self.cursor
        while 0 <= at + pages < self.count and abs(self._item_rows(at)[0] - first_row) < abs(step):
            at += pages
        self.move_to(at)

    def scroll_to_cursor(self) -> None:
        if not self.cursor < len(self._item_layout.item_spans):
            return
        top, _, end = self._item_layout.item_spans[self.cursor]
        at, height = self.scroll_offset.y, self.size.height
        if top < at or end - top > height:
            self.scroll_to(y=top, animate=False)
        elif end > at + height > 0:
            self.scroll_to(y=end - height, animate=False)

    @property
    def shows_cursor(self) -> bool:
        """Whether the cursor is drawn."""
        return True

    def _item_rows(self, index: int) -> tuple[int, int]:
        """Returns the first line of an item and the line after its last one."""
        return self._item_layout.item_spans[index][1:] if index < len(self._item_layout.item_spans) else (0, 0)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        start, end = self._item_rows(self.cursor)
        if not (start <= at < end and self.shows_cursor and at < len(self.lines)):
            return super(ListPane, self).render_line(y)
        clear_dirty_regions(self)
        (first, role), *rest = self.lines[at]
        return self.to_strip(line(("▌", "mark"), (first[1:], role), *rest), self.size.width, self.cursor_style())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = self._item_layout.item_at(offset.y + self.scroll_offset.y) if offset else None
        if at is None:
            return
        if at == self.cursor and event.chain == 2:
            self.post_message(self.ItemOpened())
        else:
            self.move_to(at)
