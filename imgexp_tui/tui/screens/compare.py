"""All versions in one table, sorted and narrowed by any column; marked ones are laid side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.text import clean_line, listed
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import CursorPane
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView, RowLines
from imgexp_tui.views.lab import Look
from imgexp_tui.views.runs import compare_table
from imgexp_tui.views.runs.compare_table import Column
from imgexp_tui.views.runs.version_table import versions_told
from imgexp_tui.views.styled import Line, line, spread

_PACE = 1.0
_MOST = 8
"""Versions that can be laid side by side."""


class LeaderRows(CursorPane):
    """One version a row. The cursor stays on its version when the order changes.

    Attributes:
        names: the versions in sight, in their order.
        marked: those that will be laid side by side, in the order in which they were marked.
        at: the column that the keys act on.
    """

    def __init__(self, heads: LineView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heads = heads
        self.columns: list[Column] = []
        self.names: list[str] = []
        self.marked: list[str] = []
        self.at = 0
        self.sorted_by: int | None = None
        self.backwards = False
        self.only: tuple[str, str] | None = None

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def picked(self) -> str:
        return self.names[self.cursor] if self.names else ""

    def fill(self, columns: list[Column], picked: str = "") -> None:
        """Show these columns; `picked` or else the same version stays under the cursor."""
        picked = picked or self.picked
        kept = self.columns[self.at].name if self.columns else ""
        by = self.columns[self.sorted_by].name if self.columns and self.sorted_by is not None else ""
        self.columns = columns
        index = {column.name: i for i, column in enumerate(columns)}
        self.at = index.get(kept, 0)
        self.sorted_by = index.get(by)
        self._order(picked)

    def _order(self, picked: str) -> None:
        names = list(self.columns[0].texts)
        if self.only:
            column = next((c for c in self.columns if c.name == self.only[0]), None)
            names = [n for n in names if column and column.texts.get(n, "") == self.only[1]]
        if self.sorted_by is not None:
            names = self.columns[self.sorted_by].ordered(names, backwards=self.backwards)
        self.names = names
        self.marked = [name for name in self.marked if name in self.columns[0].texts]
        self.cursor = names.index(picked) if picked in names else max(0, min(self.cursor, len(names) - 1))
        self.rebuild()
        self.keep_in_sight()
        self.post_message(self.Moved())

    def sort(self) -> None:
        """By the column at hand, its best first; once more the other way round; a third time in the file's order."""
        if self.sorted_by != self.at:
            self.sorted_by, self.backwards = self.at, False
        elif not self.backwards:
            self.backwards = True
        else:
            self.sorted_by, self.backwards = None, False
        self._order(self.picked)

    def narrow(self) -> None:
        """To the versions that have in the column at hand what the one under the cursor has; again: to all."""
        column = self.columns[self.at]
        self.only = None if self.only else (column.name, column.texts.get(self.picked, ""))
        self._order(self.picked)

    def mark(self) -> None:
        """Mark the version under the cursor, or take the mark away."""
        if self.picked in self.marked:
            self.marked.remove(self.picked)
        elif self.picked:
            self.marked.append(self.picked)
        self.rebuild()

    def shift(self, columns: int) -> None:
        """Let the keys act on another column."""
        self.at = max(0, min(self.at + columns, len(self.columns) - 1))
        self.rebuild()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if not self.columns:
            return []
        sight = compare_table.in_sight(self.columns, self.at, width)
        by = -1 if self.sorted_by is None else self.sorted_by
        self._heads.show([compare_table.head(self.columns, sight, by, self.at, self.backwards, width)])
        columns, names, cursor, marked = self.columns, self.names, self.cursor, set(self.marked)

        def make(at: int) -> Line:
            name = names[at]
            return compare_table.row(columns, sight, name, here=at == cursor, marked=name in marked, room=width)

        return RowLines(len(names), make)


class LeadersScreen(LineScreen[str | None]):
    """Dismissed with the version to show on the main screen, or None.

    Args:
        look: gives the newest look at the lab.
        picked: the version to begin at; it and its base are marked.
    """

    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q", "close", "Back"),
        Binding("space", "mark", "Mark"),
        Binding("enter", "beside", "Side by side", tooltip="Lay the marked versions side by side"),
        Binding("s", "sort", "Sort", tooltip="Sort by the column at hand; again: backwards; again: as in the file"),
        Binding("f,equals_sign", "narrow", "Only these", tooltip="Only versions with this value in the column"),
        Binding("right", "shift(1)", "Column", show=False, tooltip="Next column"),
        Binding("left", "shift(-1)", "Column", show=False, tooltip="Previous column"),
        Binding("n", "new", "New", tooltip="New version from this one"),
        Binding("c", "charts", "Charts", tooltip="The curves of the marked versions, or of this one, in one chart"),
        Binding("x", "export", "Export", tooltip="Export the marked versions, or this one, as markdown"),
        Binding("u", "unmark", "No marks", show=False, tooltip="Take every mark away"),
        Binding("o", "go", "Go to", tooltip="Back to the main screen, at this version"),
        Binding("j,down", "move(1)", "Next version", show=False),
        Binding("k,up", "move(-1)", "Previous version", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "move(-1000000)", "First version", show=False),
        Binding("G,end", "move(1000000)", "Last version", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, look: Callable[[], Look], picked: str) -> None:
        super().__init__()
        self._newest = look
        self._picked = picked
        self._shown: Look | None = None

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        heads = LineView(id="heads")
        yield heads
        yield LeaderRows(heads, id="rows")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._rows = self.query_one(LeaderRows)
        self._see()
        self.set_interval(_PACE, self._see)

    def on_resize(self) -> None:
        self._draw()

    def _see(self) -> None:
        look = self._newest()
        if look.notebook is None or not look.notebook.versions:
            return
        if self._shown and (look.notebook, look.rows) == (self._shown.notebook, self._shown.rows):
            return
        first, self._shown = self._shown is None, look
        if first:
            base = look.notebook.versions[self._picked].base if self._picked in look.notebook.versions else None
            self._rows.marked = [n for n in (base, self._picked) if n and n in look.notebook.versions]
        self._rows.fill(compare_table.all_columns(look.notebook, look.rows), self._picked if first else "")
        self._draw()

    def _draw(self) -> None:
        rows = self.query_one(LeaderRows)
        total = len(self._shown.notebook.versions) if self._shown and self._shown.notebook else 0
        count = versions_told(total) if not rows.only else f"{rows.count:,} of {versions_told(total)}"
        only = f" where {rows.only[0]} is {rows.only[1] or 'empty'}" if rows.only else ""
        marked = f"{len(rows.marked)} marked" if rows.marked else "space marks, enter compares"
        left = line((" Compare ", "title"), (count + clean_line(only), "strong"))
        self.query_one("#title", LineView).show([spread(left, line((f"{marked} ", "quiet")), self.size.width)])

    def on_cursor_pane_moved(self) -> None:
        self._draw()

    def on_cursor_pane_opened(self) -> None:
        self.action_beside()

    def action_close(self) -> None:
        self.dismiss(None)

    def action_go(self) -> None:
        self.dismiss(self._rows.picked or None)

    def action_mark(self) -> None:
        self._rows.mark()
        self._rows.move(1)
        self._draw()

    def action_unmark(self) -> None:
        self._rows.marked.clear()
        self._rows.rebuild()
        self._draw()

    def action_sort(self) -> None:
        self._rows.sort()

    def action_narrow(self) -> None:
        self._rows.narrow()

    def action_shift(self, columns: int) -> None:
        self._rows.shift(columns)

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_page(self, pages: int) -> None:
        self._rows.move(pages * max(1, self._rows.size.height - 1))

    def action_new(self) -> None:
        if self._shown is None or self._shown.notebook is None or not self._rows.picked:
            return
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        screen = NewVersionScreen(self._shown.notebook.lab, self._shown.notebook, self._rows.picked)
        self.app.push_screen(screen, self._made)

    def _made(self, name: str | None) -> None:
        if name:
            self.dismiss(name)

    @work(group="export")
    async def action_export(self) -> None:
        book, names = self._shown.notebook if self._shown else None, self._rows.marked or [self._rows.picked]
        if book is None or not any(names):
            return
        from imgexp_tui.services.actions import runs

        target = f"{'-'.join(names[:4])}{'-and-more' if len(names) > 4 else ''}.md"
        try:
            said = await asyncio.to_thread(runs.export, book, target, names)
        except runs.DeedError as error:
            self.app.notify(clean_line(str(error)), severity="error", markup=False)
        else:
            self.app.notify(clean_line(said), markup=False)

    def action_charts(self) -> None:
        names = self._rows.marked or [self._rows.picked]
        if self._shown is None or self._shown.notebook is None or not any(names):
            return
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.views.charts.model import Choice

        rows = self._shown.rows
        choices = [Choice(name, rows[name].shown if name in rows else "") for name in names]
        self.app.push_screen(ChartsScreen(self._shown.notebook.lab, choices))

    def action_beside(self) -> None:
        book = self._shown.notebook if self._shown else None
        if book is None:
            return
        names = self._rows.marked or [n for n in (book.versions[self._rows.picked].base, self._rows.picked) if n]
        names = [name for name in names if name in book.versions]
        if len(names) > _MOST:
            self.app.notify(f"{listed(names[:_MOST])} are shown; more do not fit.", markup=False)
        from imgexp_tui.tui.screens.side_by_side import BesideScreen

        self.app.push_screen(BesideScreen(book, names[:_MOST]))
