"""The main screen's table of versions, one a row, with a cursor.

The columns and their texts come from `views.runs.version_table`: a new column goes there.
"""

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
"""Seconds after which the ages in the table are drawn again. They have a resolution of minutes."""

_MAX_CACHED_LINES = 1000
"""Lines in the cache. Without one, each key that moves the cursor would lay out every row in sight again."""


class VersionTable(ListPane[str]):
    """The names of versions as rows. The cursor stays on its version when the notebook changes."""

    def __init__(self, header: StyledView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._header = header
        self._versions: dict[str, Version] = {}
        self._rows: dict[str, VersionRow] = {}
        self._drafts: frozenset[str] = frozenset()
        self._columns: TableColumns | None = None
        self._ages_due = 0.0
        self._cached_lines: dict[tuple[str, bool, str], Line] = {}

    @property
    def selected(self) -> str:
        """The version under the cursor; "" in an empty notebook."""
        return super().selected or ""

    def fill(self, versions: Mapping[str, Version], rows: dict[str, VersionRow], drafts: frozenset[str]) -> None:
        """Show these versions. If the selected version is gone, the cursor stays on its row."""
        selected, before = self.selected, self.cursor
        if (rows, drafts, versions) == (self._rows, self._drafts, self._versions) and self._columns:
            self.refresh_ages()
            return
        self._columns = None
        self._versions, self._rows, self._drafts = dict(versions), rows, drafts
        self.replace_items(list(versions))
        self.rebuild()
        if self.cursor != before:
            self.call_after_refresh(self.scroll_to_cursor)
        if self.selected != selected:
            self.post_message(self.CursorMoved())

    def refresh_ages(self) -> None:
        """Draw the ages of the notes again, if they were last drawn a while ago."""
        if time.monotonic() >= self._ages_due:
            self.rebuild()

    def select_version(self, name: str) -> None:
        """Put the cursor on a version."""
        if name in self._versions:
            self.move_to(self.items.index(name))

    def build(self, width: int, height: int) -> Sequence[Line]:
        self._ages_due = time.monotonic() + _AGE_REFRESH_INTERVAL
        # Measuring ten thousand versions takes too long to do at each key that moves the cursor.
        if self._columns is None or self._columns.room != width:
            self._columns = fit_columns(width, self._versions.values(), self._rows, self._drafts)
            self._cached_lines = {}
        self._header.set_lines([self._columns.header_row()])
        return LazyLines(len(self.items), self._line_maker(self._columns))

    def _line_maker(self, layout: TableColumns) -> Callable[[int], Line]:
        """Returns a function that makes the line of a row, with the state as it is now."""
        names, versions, rows, drafts = self.items, self._versions, self._rows, self._drafts
        cursor, now, lines = self.cursor, time.time(), self._cached_lines

        def make(at: int) -> Line:
            name = names[at]
            row, is_selected = rows.get(name), at == cursor
            # Everything else in a line depends on the columns only.
            key = name, is_selected, format_row_age(row.notes_changed, now) if row else ""
            if key not in lines:
                if len(lines) > _MAX_CACHED_LINES:
                    lines.clear()
                lines[key] = layout.version_row(
                    versions[name], row, has_draft=name in drafts, is_selected=is_selected, now=now
                )
            return lines[key]

        return make
