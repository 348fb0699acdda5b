"""A run's log on the whole screen; follows its end until one scrolls back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.paths import RUNS
from imgexp_tui.services.log_tail import LogTail
from imgexp_tui.text import fit
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView, Pane
from imgexp_tui.views.styled import Line, line, pad

_PIECE = 2 << 20
_PACE = 0.5


class LogView(Pane):
    """Lines of output, wrapped or cut at the right edge."""

    _texts: tuple[str, ...] = ()
    wraps = False

    def tell(self, texts: tuple[str, ...]) -> None:
        """Show these lines; at the end, stay at the end."""
        at_end = self.at_end
        self._texts = texts
        self.rebuild()
        if at_end:
            self.to_end()

    @property
    def at_end(self) -> bool:
        return self.scroll_offset.y >= self.max_scroll_y - 1

    def to_end(self) -> None:
        self.scroll_to(y=max(0, len(self.lines) - self.size.height), animate=False, force=True)

    def build(self, width: int, height: int) -> list[Line]:
        if not self.wraps:
            return [line(fit(text, width)) for text in self._texts]
        return [line(text[i : i + width]) for text in self._texts for i in range(0, max(1, len(text)), width)]


class LogScreen(LineScreen[None]):
    """Closed by the usual keys.

    Args:
        version, run: whose log.
    """

    CSS_PATH = "log.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,l", "close", "Back"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup,b", "page(-1)", "Page up", show=False),
        Binding("g,home", "start", "Start"),
        Binding("G,end", "end", "End, follow"),
        Binding("w", "wrap", "Wrap"),
    ]

    def __init__(self, lab: Path, version: str, run: str) -> None:
        super().__init__()
        path = lab / RUNS / version / run / "output.log"
        self._title_line = line((f" {version} ", "title"), ("log  ", "strong"), (str(path), "quiet"))
        self._tail = LogTail(path, _PIECE)

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        yield LogView(id="lines")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._view = self.query_one(LogView)
        self._look()
        self.set_interval(_PACE, self._look)

    def on_resize(self) -> None:
        self.query_one("#title", LineView).show([pad(self._title_line, self.size.width)])

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        texts = await asyncio.to_thread(self._tail.look)
        self._view.tell(texts or ("nothing printed yet",))

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, rows: int) -> None:
        self._view.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._view.scroll_relative(y=pages * max(1, self._view.size.height - 1), animate=False)

    def action_start(self) -> None:
        self._view.scroll_home(animate=False)

    def action_end(self) -> None:
        self._view.to_end()

    def action_wrap(self) -> None:
        self._view.wraps = not self._view.wraps
        self._view.rebuild()
