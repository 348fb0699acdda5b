"""The screen of a run's log; follows its end until the user scrolls back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.paths import RUNS
from imgexp_tui.services.log_tail import LogTail
from imgexp_tui.text import truncate
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.styled import Line, line, pad

_TAIL_BYTES = 2 << 20
_POLL_INTERVAL = 0.5


class LogView(Pane):
    """The lines of a log, wrapped or cut at the right edge."""

    _texts: tuple[str, ...] = ()
    wraps = False

    def show(self, texts: tuple[str, ...]) -> None:
        """Show these lines. A view at its end stays at the end."""
        at_end = self.is_at_end
        self._texts = texts
        self.rebuild()
        if at_end:
            self.scroll_to_end()

    def build(self, width: int, height: int) -> list[Line]:
        if not self.wraps:
            return [line(truncate(text, width)) for text in self._texts]
        return [line(text[i : i + width]) for text in self._texts for i in range(0, max(1, len(text)), width)]


class LogScreen(StyledScreen[None]):
    """The log of one run.

    Args:
        version, run: the run whose log is displayed.
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
        self._tail = LogTail(path, _TAIL_BYTES)

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield LogView(id="lines")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._view = self.query_one(LogView)
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self.query_one("#title", StyledView).set_lines([pad(self._title_line, self.size.width)])

    @work(exclusive=True, group="poll")
    async def _poll(self) -> None:
        texts = await asyncio.to_thread(self._tail.poll)
        self._view.show(texts or ("nothing printed yet",))

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, rows: int) -> None:
        self._view.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._view.scroll_pages(pages)

    def action_start(self) -> None:
        self._view.scroll_home(animate=False)

    def action_end(self) -> None:
        self._view.scroll_to_end()

    def action_wrap(self) -> None:
        self._view.wraps = not self._view.wraps
        self._view.rebuild()
