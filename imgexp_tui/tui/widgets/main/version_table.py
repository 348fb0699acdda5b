"""The versions as a table with a cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.widgets.base.list_pane import CursorPane
from imgexp_tui.tui.widgets.base.styled_view import LineView, RowLines
from imgexp_tui.views.lab import Row
from imgexp_tui.views.runs.version_table import Columns, columns, how_old
from imgexp_tui.views.styled import Line

_AGES = 5.0
"""Seconds after which the ages in the table, which are of minutes, are told anew."""

_MADE = 1000
"""Lines that are held, so that a cursor that scrolls a table does not lay out every row in sight at each key."""


class VersionTable(CursorPane):
    """One version a row. The cursor stays on its version when the notebook changes under it."""

    def __init__(self, head: LineView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head = head
        self._versions: dict[str, Version] = {}
        self._names: list[str] = []
        self._rows: dict[str, Row] = {}
        self._drafts: frozenset[str] = frozenset()
        self._layout: Columns | None = None
        self._due = 0.0
        self._made: dict[tuple[str, bool, str], Line] = {}

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def picked(self) -> str:
        """The version under the cursor; "" in an empty notebook."""
        return self._names[self.cursor] if self._names else ""

    def fill(self, versions: Mapping[str, Version], rows: dict[str, Row], drafts: frozenset[str]) -> None:
        """Show these versions; a version that is gone hands the cursor to the one that took its place."""
        picked, before = self.picked, self.cursor
        if (rows, drafts, versions) == (self._rows, self._drafts, self._versions) and self._layout:
            self.tell_ages()
            return
        self._layout = None
        self._versions, self._rows, self._drafts = dict(versions), rows, drafts
        self._names = list(versions)
        if picked in versions:
            self.cursor = self._names.index(picked)
        self.cursor = max(0, min(self.cursor, len(self._names) - 1))
        self.rebuild()
        if self.cursor != before:
            self.call_after_refresh(self.keep_in_sight)
        if self.picked != picked:
            self.post_message(self.Moved())

    def tell_ages(self) -> None:
        """Say anew how old the notes are, where that was said a while ago."""
        if time.monotonic() >= self._due:
            self.rebuild()

    def pick(self, name: str) -> None:
        """Put the cursor on a version."""
        if name in self._versions:
            self.go(self._names.index(name))

    def build(self, width: int, height: int) -> Sequence[Line]:
        self._due = time.monotonic() + _AGES
        # A cursor that moves through ten thousand versions does not measure them all again at each key.
        if self._layout is None or self._layout.room != width:
            self._layout = columns(width, self._versions.values(), self._rows, self._drafts)
            self._made = {}
        self._head.show([self._layout.head()])
        return RowLines(len(self._names), self._maker(self._layout))

    def _maker(self, layout: Columns) -> Callable[[int], Line]:
        """What makes a row's line as of now, whenever it is asked."""
        names, versions, rows, drafts = self._names, self._versions, self._rows, self._drafts
        cursor, now, made = self.cursor, time.time(), self._made

        def make(at: int) -> Line:
            name = names[at]
            row, here = rows.get(name), at == cursor
            # Whatever else stands in a line is the same as long as the layout is.
            key = name, here, how_old(row.written, now) if row else ""
            if key not in made:
                if len(made) > _MADE:
                    made.clear()
                made[key] = layout.row(versions[name], row, draft=name in drafts, here=here, now=now)
            return made[key]

        return make
