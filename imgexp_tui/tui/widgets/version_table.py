"""The versions as a table with a cursor. It draws only what has changed, and only the rows in sight."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.lines import Line
from imgexp_tui.tui.looks import Row
from imgexp_tui.tui.table_lines import Columns, columns
from imgexp_tui.tui.widgets.line_view import LineView, Pane


class VersionTable(Pane):
    """One version a row. The cursor stays on its version when the notebook changes under it."""

    COMPONENT_CLASSES = {"table--cursor"}
    DEFAULT_CSS = """
    VersionTable {
        & > .table--cursor { background: $primary 22%; }
        &:ansi > .table--cursor { background: ansi_default; text-style: bold; }
        &:nocolor > .table--cursor { text-style: bold; }
    }
    """

    class Picked(Message):
        """The cursor is on another version."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Opened(Message):
        """A version was clicked while the cursor was on it."""

    def __init__(self, head: LineView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head = head
        self._versions: dict[str, Version] = {}
        self._names: list[str] = []
        self._rows: dict[str, Row] = {}
        self._drafts: frozenset[str] = frozenset()
        self._cursor = 0

    @property
    def picked(self) -> str:
        """The version under the cursor; "" in an empty notebook."""
        return self._names[self._cursor] if self._names else ""

    def fill(self, versions: Mapping[str, Version], rows: dict[str, Row], drafts: frozenset[str]) -> None:
        """Show these versions; a version that is gone hands the cursor to the one that took its place."""
        picked = self.picked
        self._versions, self._rows, self._drafts = dict(versions), rows, drafts
        self._names = list(versions)
        if picked in versions:
            self._cursor = self._names.index(picked)
        self._cursor = max(0, min(self._cursor, len(self._names) - 1))
        self.rebuild()
        if self.picked != picked:
            self.post_message(self.Picked(self.picked))

    def pick(self, name: str) -> None:
        """Put the cursor on a version."""
        if name in self._versions:
            self._go(self._names.index(name))

    def move(self, rows: int) -> None:
        """Move the cursor by `rows`, as far as it goes."""
        self._go(self._cursor + rows)

    def move_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self._go(self._cursor + pages * max(1, self.size.height - 1))

    def build(self, width: int, height: int) -> list[Line]:
        layout = columns(width, self._versions.values(), self._rows, self._drafts)
        self._head.show([layout.head()])
        return [self._line(layout, i, name) for i, name in enumerate(self._names)]

    def _line(self, layout: Columns, at: int, name: str) -> Line:
        return layout.row(
            self._versions[name], self._rows.get(name), draft=name in self._drafts, here=at == self._cursor
        )

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        if at != self._cursor or not 0 <= at < len(self.lines):
            return super().render_line(y)
        self._dirty_regions.clear()
        found = self.get_visual_style("table--cursor").rich_style
        under = Style(bgcolor=found.bgcolor, bold=found.bold)
        return self.strip_of(self.lines[at], self.size.width, under)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = offset.y + self.scroll_offset.y
        if at == self._cursor and event.chain == 2:
            self.post_message(self.Opened())
        elif 0 <= at < len(self._names):
            self._go(at)

    def _go(self, at: int) -> None:
        at = max(0, min(at, len(self._names) - 1))
        if at == self._cursor or not self._names:
            return
        before, self._cursor = self._cursor, at
        self.rebuild()
        for row in (before, at):
            self.refresh_cells(row, 0, self.size.width)
        self._keep_in_sight()
        self.post_message(self.Picked(self.picked))

    def _keep_in_sight(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height > 0:
            self.scroll_to(y=self._cursor - height + 1, animate=False)

    def on_resize(self) -> None:
        super().on_resize()
        self._keep_in_sight()
