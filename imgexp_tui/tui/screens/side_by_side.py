"""Versions side by side, live: settings, results at the same step and time, what was measured, notes."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.reports.side_by_side import Part
from imgexp_tui.services.compare import BesideLook
from imgexp_tui.text import clean_line, listed
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView, Pane
from imgexp_tui.views.runs import side_by_side
from imgexp_tui.views.styled import Line, line, pad

_PACE = 2.0


class BesideView(Pane):
    """The comparison; nothing before the first `tell`."""

    def __init__(self, names: list[str], heads: LineView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = names
        self._heads = heads
        self._parts: list[Part] | None = None
        self.first = 0
        self.everything = False

    def tell(self, parts: list[Part]) -> None:
        """Show it."""
        if parts != self._parts:
            self._parts = parts
            self.rebuild()

    def shift(self, sides: int) -> None:
        """Bring other sides into sight, where not all fit."""
        at = side_by_side.columns(len(self._names), self.first, self.size.width)
        self.first = side_by_side.columns(len(self._names), at.first + sides, self.size.width).first
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if self._parts is None:
            return [line(("reading the runs…", "quiet"))]
        at = side_by_side.columns(len(self._names), self.first, width)
        self._heads.show([side_by_side.head(self._names, at, width)])
        return side_by_side.beside_lines(self._parts, at, everything=self.everything)


class BesideScreen(LineScreen[None]):
    """Closed by the usual keys.

    Args:
        book: the notebook.
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

    def __init__(self, book: Notebook, names: list[str]) -> None:
        super().__init__()
        self._names = names
        self._look = BesideLook(book.lab, [book.versions[name] for name in names])
        self._runs: tuple[RunView | None, ...] = ()

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        heads = LineView(id="heads")
        yield heads
        yield BesideView(self._names, heads, id="beside")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._view = self.query_one(BesideView)
        self._see()
        self.set_interval(_PACE, self._see)

    def on_resize(self) -> None:
        room = self.size.width
        names = clean_line(listed(self._names))
        self.query_one("#title", LineView).show([pad(line((" Side by side ", "title"), (names, "strong")), room)])

    @work(exclusive=True, group="look")
    async def _see(self) -> None:
        parts, self._runs = await asyncio.to_thread(self._look.look)
        self._view.tell(parts)

    def action_close(self) -> None:
        self.dismiss()

    def action_all(self) -> None:
        self._view.everything = not self._view.everything
        self._view.rebuild()

    def action_shift(self, sides: int) -> None:
        self._view.shift(sides)

    def action_scroll(self, rows: int) -> None:
        self._view.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._view.scroll_relative(y=pages * max(1, self._view.size.height - 1), animate=False)

    def action_code(self) -> None:
        at = self._view.first
        two = self._runs[at : at + 2]
        if len(two) < 2 or two[0] is None or two[1] is None:
            self.app.notify("Both versions need a run before their code can be compared.", markup=False)
            return
        from imgexp_tui.tui.screens.code_diff import CodeScreen

        self.app.push_screen(CodeScreen(two[0], two[1]))
