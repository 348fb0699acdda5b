"""The screen of the differences between the code of two runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.reports.code_diff import code_diff
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.styled import Line, line, pad, truncate_line


class CodeDiffView(Pane):
    """A unified diff. Changed lines begin with + or -, so that it can be read without colours."""

    _texts: Sequence[str] = ("comparing…",)

    def show(self, texts: Sequence[str]) -> None:
        """Show these lines."""
        self._texts = texts
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return [truncate_line(line((text, _diff_role(text))), width) for text in self._texts]


def _diff_role(text: str) -> str:
    if text.startswith(("+++", "---", "diff ")):
        return "strong"
    return {"+": "good", "-": "bad", "@": "title"}.get(text[:1], "")


class CodeDiffScreen(StyledScreen[None]):
    """What changes in the code from `old_run` to `new_run`."""

    CSS_PATH = "code_diff.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,D", "close", "Back"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down"),
        Binding("pageup,b", "page(-1)", "Page up", show=False),
        Binding("g,home", "scroll(-1000000)", "Start", show=False),
        Binding("G,end", "scroll(1000000)", "End", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, old_run: RunFollower, new_run: RunFollower) -> None:
        super().__init__()
        self._runs = (old_run, new_run)

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield CodeDiffView(id="lines")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._view = self.query_one(CodeDiffView)
        self._compare()

    def on_resize(self) -> None:
        a, b = self._runs
        title = line((" Code ", "title"), (f"{a.version} → {b.version}", "strong"))
        self.query_one("#title", StyledView).set_lines([pad(title, self.size.width)])

    @work(group="compare")
    async def _compare(self) -> None:
        self._view.show(await asyncio.to_thread(code_diff, *self._runs))

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, rows: int) -> None:
        self._view.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._view.scroll_pages(pages)
