"""The versions as a table with a cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import LazyLines, StyledView
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs.version_table import TableColumns, fit_columns, format_row_age
from imgexp_tui.views.styled import Line

_AGE_REFRESH_INTERVAL = 5.0
"""Seconds after which the ages in the table, which are of minutes, are told anew."""

_MAX_CACHED_LINES = 1000
"""Lines that are held, so that a cursor that scrolls a table does not lay out every row in sight at each key."""


class VersionTable(ListPane):
    """One version a row. The cursor stays on its version when the notebook changes under it."""

    def __init__(self, header: StyledView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._header = header
        self._versions: dict[str, Version] = {}
        self._names: list[str] = []
        self._rows: dict[str, VersionRow] = {}
        self._drafts: frozenset[str] = frozenset()
        self._layout: TableColumns | None = None
        self._ages_due = 0.0
        self._cached_lines: dict[tuple[str, bool, str], Line] = {}

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def selected(self) -> str:
        """The version under the cursor; "" in an empty notebook."""
        return self._names[self.cursor] if self._names else ""

    def fill(self, versions: Mapping[str, Version], rows: dict[str, VersionRow], drafts: frozenset[str]) -> None:
        """Show these versions; a version that is gone hands the cursor to the one that took its place."""
        picked, before = self.selected, self.cursor
        if (rows, drafts, versions) == (self._rows, self._drafts, self._versions) and self._layout:
            self.refresh_ages()
            return
        self._layout = None
        self._versions, self._rows, self._drafts = dict(versions), rows, drafts
        self._names = list(versions)
        if picked in versions:
            self.cursor = self._names.index(picked)
        self.cursor = max(0, min(self.cursor, len(self._names) - 1))
        self.rebuild()
        if self.cursor != before:
            self.call_after_refresh(self.scroll_to_cursor)
        if self.selected != picked:
            self.post_message(self.CursorMoved())

    def refresh_ages(self) -> None:
        """Say anew how old the notes are, where that was said a while ago."""
        if time.monotonic() >= self._ages_due:
            self.rebuild()

    def select_version(self, name: str) -> None:
        """Put the cursor on a version."""
        if name in self._versions:
            self.move_to(self._names.index(name))

    def build(self, width: int, height: int) -> Sequence[Line]:
        self._ages_due = time.monotonic() + _AGE_REFRESH_INTERVAL
        # A cursor that moves through ten thousand versions does not measure them all again at each key.
        if self._layout is None or self._layout.room != width:
            self._layout = fit_columns(width, self._versions.values(), self._rows, self._drafts)
            self._cached_lines = {}
        self._header.set_lines([self._layout.header_row()])
        return LazyLines(len(self._names), self._line_maker(self._layout))

    def _line_maker(self, layout: TableColumns) -> Callable[[int], Line]:
        """What makes a row's line as of now, whenever it is asked."""
        names, versions, rows, drafts = self._names, self._versions, self._rows, self._drafts
        cursor, now, made = self.cursor, time.time(), self._cached_lines

        def make(at: int) -> Line:
            name = names[at]
            row, here = rows.get(name), at == cursor
            # Whatever else stands in a line is the same as long as the layout is.
            key = name, here, format_row_age(row.notes_changed, now) if row else ""
            if key not in made:
                if len(made) > _MAX_CACHED_LINES:
                    made.clear()
                made[key] = layout.version_row(versions[name], row, has_draft=name in drafts, is_selected=here, now=now)
            return made[key]

        return make
