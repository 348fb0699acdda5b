"""The screen of versions side by side, live: settings, results at the same step and time, measurements, notes."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.reports.side_by_side import ComparisonSection
from imgexp_tui.services.compare import ComparisonReader
from imgexp_tui.text import clean_line, join_names
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.runs import side_by_side
from imgexp_tui.views.styled import Line, line, pad

_POLL_INTERVAL = 2.0


class SideBySideView(Pane):
    """The comparison, one version a column."""

    def __init__(self, names: list[str], header: StyledView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = names
        self._header = header
        self._parts: list[ComparisonSection] | None = None
        self.first_column = 0
        self.all_settings = False

    def show(self, parts: list[ComparisonSection]) -> None:
        """Show the sections of a comparison."""
        if parts != self._parts:
            self._parts = parts
            self.rebuild()

    def scroll_columns(self, columns: int) -> None:
        """Scroll to other versions, if not all fit."""
        at = side_by_side.fit_sides(len(self._names), self.first_column, self.size.width)
        self.first_column = side_by_side.fit_sides(len(self._names), at.first + columns, self.size.width).first
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if self._parts is None:
            return [line(("reading the runs…", "quiet"))]
        at = side_by_side.fit_sides(len(self._names), self.first_column, width)
        self._header.set_lines([side_by_side.header_row(self._names, at, width)])
        return side_by_side.side_by_side_lines(self._parts, at, include_equal=self.all_settings)


class SideBySideScreen(StyledScreen[None]):
    """Some versions side by side.

    Args:
        notebook: the notebook with the versions.
        names: the versions, from left to right.
    """

    CSS_PATH = "side_by_side.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q", "close", "Back"),
        Binding("a", "all", "All settings", tooltip="Show the settings that are the same, too"),
        Binding("D", "code", "Code", tooltip="What differs in the code of the first two runs in sight"),
        Binding("right", "shift(1)", "Next column", show=False),
        Binding("left", "shift(-1)", "Previous column", show=False),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup,b", "page(-1)", "Page up", show=False),
        Binding("g,home", "scroll(-1000000)", "Start", show=False),
        Binding("G,end", "scroll(1000000)", "End", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, notebook: Notebook, names: list[str]) -> None:
        super().__init__()
        self._names = names
        self._comparison = ComparisonReader(notebook.lab, [notebook.versions[name] for name in names])
        self._runs: tuple[RunFollower | None, ...] = ()

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        heads = StyledView(id="heads")
        yield heads
        yield SideBySideView(self._names, heads, id="beside")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._view = self.query_one(SideBySideView)
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        room = self.size.width
        names = clean_line(join_names(self._names))
        self.query_one("#title", StyledView).set_lines(
            [pad(line((" Side by side ", "title"), (names, "strong")), room)]
        )

    @work(exclusive=True, group="poll")
    async def _poll(self) -> None:
        parts, self._runs = await asyncio.to_thread(self._comparison.read)
        self._view.show(parts)

    def action_close(self) -> None:
        self.dismiss()

    def action_all(self) -> None:
        self._view.all_settings = not self._view.all_settings
        self._view.rebuild()

    def action_shift(self, columns: int) -> None:
        self._view.scroll_columns(columns)

    def action_scroll(self, rows: int) -> None:
        self._view.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._view.scroll_pages(pages)

    def action_code(self) -> None:
        at = self._view.first_column
        two = self._runs[at : at + 2]
        if len(two) < 2 or two[0] is None or two[1] is None:
            self.app.notify("Both versions need a run before their code can be compared.", markup=False)
            return
        from imgexp_tui.tui.screens.code_diff import CodeDiffScreen

        self.app.push_screen(CodeDiffScreen(two[0], two[1]))
