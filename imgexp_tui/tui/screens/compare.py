"""The screen that compares all versions in one table, sorted and filtered by any column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.text import clean_line, join_names
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import LazyLines, StyledScreen, StyledView
from imgexp_tui.views.lab import LabSnapshot
from imgexp_tui.views.runs import compare_table
from imgexp_tui.views.runs.compare_table import CompareColumn
from imgexp_tui.views.runs.version_table import format_version_count
from imgexp_tui.views.styled import Line, justify, line

_POLL_INTERVAL = 1.0
_MAX_SIDE_BY_SIDE = 8
"""Versions that can be displayed side by side."""


class CompareTable(ListPane[str]):
    """One version a row. The cursor stays on its version when the order changes.

    Attributes:
        items: the names of the versions, in their order.
        marked: the versions to display side by side, in the order in which they were marked.
        active_column: the column that the keys act on.
    """

    def __init__(self, header: StyledView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._header = header
        self.columns: list[CompareColumn] = []
        self.marked: list[str] = []
        self.active_column = 0
        self.sorted_by: int | None = None
        self.backwards = False
        self.value_filter: tuple[str, str] | None = None

    @property
    def selected(self) -> str:
        """The version under the cursor; "" in an empty table."""
        return super().selected or ""

    def fill(self, columns: list[CompareColumn], select: str = "") -> None:
        """Show these columns. The cursor stays on its version, or goes to `select` if given."""
        active = self.columns[self.active_column].name if self.columns else ""
        by = self.columns[self.sorted_by].name if self.columns and self.sorted_by is not None else ""
        self.columns = columns
        index = {column.name: i for i, column in enumerate(columns)}
        self.active_column = index.get(active, 0)
        self.sorted_by = index.get(by)
        self._apply_order(select)

    def _apply_order(self, select: str = "") -> None:
        """Filter and sort the versions. The cursor stays on its version, or goes to `select` if given."""
        names = list(self.columns[0].texts)
        if self.value_filter:
            column = next((c for c in self.columns if c.name == self.value_filter[0]), None)
            names = [n for n in names if column and column.texts.get(n, "") == self.value_filter[1]]
        if self.sorted_by is not None:
            names = self.columns[self.sorted_by].sort_versions(names, reverse=self.backwards)
        self.marked = [name for name in self.marked if name in self.columns[0].texts]
        self.set_items(names, select or None)

    def cycle_sort(self) -> None:
        """Sort by the active column, best first; when called again reversed; a third time in the file's order."""
        if self.sorted_by != self.active_column:
            self.sorted_by, self.backwards = self.active_column, False
        elif not self.backwards:
            self.backwards = True
        else:
            self.sorted_by, self.backwards = None, False
        self._apply_order()

    def toggle_value_filter(self) -> None:
        """Show only versions with the selected version's value in the active column; when called again, show all."""
        column = self.columns[self.active_column]
        self.value_filter = None if self.value_filter else (column.name, column.texts.get(self.selected, ""))
        self._apply_order()

    def toggle_mark(self) -> None:
        """Mark the version under the cursor, or remove its mark."""
        if self.selected in self.marked:
            self.marked.remove(self.selected)
        elif self.selected:
            self.marked.append(self.selected)
        self.rebuild()

    def move_column(self, columns: int) -> None:
        """Make another column the active one."""
        self.active_column = max(0, min(self.active_column + columns, len(self.columns) - 1))
        self.rebuild()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if not self.columns:
            return []
        visible = compare_table.visible_columns(self.columns, self.active_column, width)
        by = -1 if self.sorted_by is None else self.sorted_by
        self._header.set_lines(
            [compare_table.header_row(self.columns, visible, by, self.active_column, self.backwards, width)]
        )
        columns, names, cursor, marked = self.columns, self.items, self.cursor, set(self.marked)

        def make(at: int) -> Line:
            name = names[at]
            return compare_table.version_row(
                columns, visible, name, is_selected=at == cursor, is_marked=name in marked, room=width
            )

        return LazyLines(len(names), make)


class CompareScreen(StyledScreen[str | None]):
    """Dismissed with the version to show on the main screen, or None.

    Args:
        read_snapshot: returns the newest snapshot of the lab.
        selected: the version to begin at; it and its base are marked.
    """

    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q", "close", "Back"),
        Binding("space", "mark", "Mark"),
        Binding("enter", "side_by_side", "Side by side", tooltip="Lay the marked versions side by side"),
        Binding("s", "sort", "Sort", tooltip="Sort by the column at hand; again: backwards; again: as in the file"),
        Binding("f,equals_sign", "narrow", "Only these", tooltip="Only versions with this value in the column"),
        Binding("right", "shift(1)", "Column", show=False, tooltip="Next column"),
        Binding("left", "shift(-1)", "Column", show=False, tooltip="Previous column"),
        Binding("n", "new", "New", tooltip="New version from this one"),
        Binding("c", "charts", "Charts", tooltip="The curves of the marked versions, or of this one, in one chart"),
        Binding("x", "export", "Export", tooltip="Export the marked versions, or this one, as markdown"),
        Binding("u", "unmark", "No marks", show=False, tooltip="Take every mark away"),
        Binding("o", "show_version", "Go to", tooltip="Back to the main screen, at this version"),
        Binding("j,down", "move(1)", "Next version", show=False),
        Binding("k,up", "move(-1)", "Previous version", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "move(-1000000)", "First version", show=False),
        Binding("G,end", "move(1000000)", "Last version", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, read_snapshot: Callable[[], LabSnapshot], selected: str) -> None:
        super().__init__()
        self._read_snapshot = read_snapshot
        self._initial_version = selected
        self._snapshot: LabSnapshot | None = None

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        heads = StyledView(id="heads")
        yield heads
        yield CompareTable(heads, id="rows")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._rows = self.query_one(CompareTable)
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw()

    def _poll(self) -> None:
        snapshot = self._read_snapshot()
        if snapshot.notebook is None or not snapshot.notebook.versions:
            return
        if self._snapshot and (snapshot.notebook, snapshot.rows) == (self._snapshot.notebook, self._snapshot.rows):
            return
        first, self._snapshot = self._snapshot is None, snapshot
        if first:
            base = (
                snapshot.notebook.versions[self._initial_version].base
                if self._initial_version in snapshot.notebook.versions
                else None
            )
            self._rows.marked = [n for n in (base, self._initial_version) if n and n in snapshot.notebook.versions]
        self._rows.fill(
            compare_table.all_columns(snapshot.notebook, snapshot.rows), self._initial_version if first else ""
        )
        self._draw()

    def _draw(self) -> None:
        rows = self.query_one(CompareTable)
        total = len(self._snapshot.notebook.versions) if self._snapshot and self._snapshot.notebook else 0
        count = (
            format_version_count(total) if not rows.value_filter else f"{rows.count:,} of {format_version_count(total)}"
        )
        only = f" where {rows.value_filter[0]} is {rows.value_filter[1] or 'empty'}" if rows.value_filter else ""
        marked = f"{len(rows.marked)} marked" if rows.marked else "space marks, enter compares"
        left = line((" Compare ", "title"), (count + clean_line(only), "strong"))
        self.query_one("#title", StyledView).set_lines([justify(left, line((f"{marked} ", "quiet")), self.size.width)])

    def on_list_pane_cursor_moved(self) -> None:
        self._draw()

    def on_list_pane_item_opened(self) -> None:
        self.action_side_by_side()

    def action_close(self) -> None:
        self.dismiss(None)

    def action_show_version(self) -> None:
        self.dismiss(self._rows.selected or None)

    def action_mark(self) -> None:
        self._rows.toggle_mark()
        self._rows.move(1)
        self._draw()

    def action_unmark(self) -> None:
        self._rows.marked.clear()
        self._rows.rebuild()
        self._draw()

    def action_sort(self) -> None:
        self._rows.cycle_sort()

    def action_narrow(self) -> None:
        self._rows.toggle_value_filter()

    def action_shift(self, columns: int) -> None:
        self._rows.move_column(columns)

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_page(self, pages: int) -> None:
        self._rows.move_pages(pages)

    def action_new(self) -> None:
        if self._snapshot is None or self._snapshot.notebook is None or not self._rows.selected:
            return
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        screen = NewVersionScreen(self._snapshot.notebook.lab, self._snapshot.notebook, self._rows.selected)
        self.app.push_screen(screen, self._version_created)

    def _version_created(self, name: str | None) -> None:
        if name:
            self.dismiss(name)

    @work(group="export")
    async def action_export(self) -> None:
        book, names = self._snapshot.notebook if self._snapshot else None, self._rows.marked or [self._rows.selected]
        if book is None or not any(names):
            return
        from imgexp_tui.services.actions import runs

        target = f"{'-'.join(names[:4])}{'-and-more' if len(names) > 4 else ''}.md"
        await ActionRunner(self).run(partial(runs.export, book, target, names))

    def action_charts(self) -> None:
        names = self._rows.marked or [self._rows.selected]
        if self._snapshot is None or self._snapshot.notebook is None or not any(names):
            return
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.views.charts.model import ChartChoice

        rows = self._snapshot.rows
        choices = [ChartChoice(name, rows[name].displayed_run if name in rows else "") for name in names]
        self.app.push_screen(ChartsScreen(self._snapshot.notebook.lab, choices))

    def action_side_by_side(self) -> None:
        book = self._snapshot.notebook if self._snapshot else None
        if book is None:
            return
        names = self._rows.marked or [n for n in (book.versions[self._rows.selected].base, self._rows.selected) if n]
        names = [name for name in names if name in book.versions]
        if len(names) > _MAX_SIDE_BY_SIDE:
            self.app.notify(f"{join_names(names[:_MAX_SIDE_BY_SIDE])} are shown; more do not fit.", markup=False)
        from imgexp_tui.tui.screens.side_by_side import SideBySideScreen

        self.app.push_screen(SideBySideScreen(book, names[:_MAX_SIDE_BY_SIDE]))
