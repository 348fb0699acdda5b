"""The versions as a table with a cursor."""

from __future__ import annotations

from collections.abc import Mapping

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.lines import Line
from imgexp_tui.tui.looks import Row
from imgexp_tui.tui.table_lines import Columns, columns
from imgexp_tui.tui.widgets.cursor_pane import CursorPane
from imgexp_tui.tui.widgets.line_view import LineView


class VersionTable(CursorPane):
    """One version a row. The cursor stays on its version when the notebook changes under it."""

    def __init__(self, head: LineView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head = head
        self._versions: dict[str, Version] = {}
        self._names: list[str] = []
        self._rows: dict[str, Row] = {}
        self._drafts: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def picked(self) -> str:
        """The version under the cursor; "" in an empty notebook."""
        return self._names[self.cursor] if self._names else ""

    def fill(self, versions: Mapping[str, Version], rows: dict[str, Row], drafts: frozenset[str]) -> None:
        """Show these versions; a version that is gone hands the cursor to the one that took its place."""
        picked = self.picked
        self._versions, self._rows, self._drafts = dict(versions), rows, drafts
        self._names = list(versions)
        if picked in versions:
            self.cursor = self._names.index(picked)
        self.cursor = max(0, min(self.cursor, len(self._names) - 1))
        self.rebuild()
        if self.picked != picked:
            self.post_message(self.Moved())

    def pick(self, name: str) -> None:
        """Put the cursor on a version."""
        if name in self._versions:
            self.go(self._names.index(name))

    def build(self, width: int, height: int) -> list[Line]:
        layout = columns(width, self._versions.values(), self._rows, self._drafts)
        self._head.show([layout.head()])
        return [self._line(layout, i, name) for i, name in enumerate(self._names)]

    def _line(self, layout: Columns, at: int, name: str) -> Line:
        return layout.row(
            self._versions[name], self._rows.get(name), draft=name in self._drafts, here=at == self.cursor
        )
