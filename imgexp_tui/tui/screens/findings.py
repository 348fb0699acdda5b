"""What the numbers of a run say, in sentences, each a key away from the takeaways, from a new version and its curve.

The findings are made by a thread of the main screen's watcher; this screen shows what that has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.findings.format import reason
from imgexp_tui.findings.model import Finding
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.services.actions import findings as finding_actions
from imgexp_tui.text import clean_line
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView, Pane
from imgexp_tui.tui.widgets.finding_list import FindingList
from imgexp_tui.views.findings import in_short, reason_lines
from imgexp_tui.views.runs.model import Run
from imgexp_tui.views.styled import Line, line, spread

_PACE = 0.2
"""Seconds between two glances at what the watcher has; nothing is read for it."""

OpenCharts = Callable[[str, str, tuple[int | None, int | None]], object]
"""`open_charts(version, metric, steps)` shows a curve, with `steps` from first to last in sight."""


class Reason(Pane):
    """Why a rule finds what it finds."""

    _text = ""

    def tell(self, text: str) -> None:
        """Show it."""
        self._text = text
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return reason_lines(self._text, width)


class FindingsScreen(LineScreen[str | None]):
    """Dismissed with the version that was made from a finding, or None.

    Args:
        lab: the lab's folder.
        version: whose findings.
        run: the version's run as it was seen last.
        read: the notebook as it was last read; None while it cannot be.
        written: called when something was written, so that it is read soon.
        charts: shows a curve; None where no screen does.
    """

    CSS_PATH = "findings.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("t", "take", "Takeaway", tooltip="Put this finding into the takeaways"),
        Binding("i", "idea", "Idea", tooltip="Put its suggestion into the takeaways as an open idea: - [ ] …"),
        Binding("n", "new", "New version", tooltip="New version with the suggested change"),
        Binding("c", "curve", "Curve", tooltip="The curve that shows it"),
        Binding("w,enter", "why", "Why", tooltip="The reasoning and the sources of this finding's rule"),
        Binding("escape,q,F", "close", "Back"),
        Binding("j,down", "move(1)", "Next finding", show=False),
        Binding("k,up", "move(-1)", "Previous finding", show=False),
        Binding("g,home", "move(-1000000)", "First finding", show=False),
        Binding("G,end", "move(1000000)", "Last finding", show=False),
        Binding("pagedown,space", "page(1)", "A page of findings down", show=False),
        Binding("pageup,b", "page(-1)", "A page of findings up", show=False),
        Binding("J,ctrl+down", "scroll(3)", "Scroll the reasoning down", show=False),
        Binding("K,ctrl+up", "scroll(-3)", "Scroll the reasoning up", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(
        self,
        lab: Path,
        version: str,
        run: Callable[[], Run | None],
        read: Callable[[], Notebook | None],
        written: Callable[[], None],
        charts: OpenCharts | None = None,
    ) -> None:
        super().__init__()
        self._lab = lab
        self._version = version
        self._run = run
        self._read = read
        self._written = written
        self._charts = charts
        self._shown: Run | None = None
        self._looked = False
        self._writing = asyncio.Lock()

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        yield FindingList(id="findings")
        yield Reason(id="why")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._list = self.query_one(FindingList)
        self._look()
        self.set_interval(_PACE, self._look)

    def on_resize(self) -> None:
        self._draw_title()

    # What is shown

    def _look(self) -> None:
        """Show what the watcher has of the version, where that is something new."""
        run = self._run()
        if run is not None and run.version != self._version:
            return
        before, self._shown = self._shown, run
        if self._looked and run and before and (run.run, run.found) == (before.run, before.found):
            return
        self._looked = True
        self._list.fill((run.found if run else None) or (), self._otherwise(run))
        self._draw_title()

    def _otherwise(self, run: Run | None) -> str:
        if run is None:
            return f"{clean_line(self._version)} has no run yet."
        if run.found is None:
            return "Its record is being looked at."
        if run.live:
            return "Nothing to say so far. Some rules wait for a few epochs, others for the end."
        return "Nothing to say: no rule found anything."

    def _draw_title(self) -> None:
        run = self._shown
        about = f"what the numbers of {run.run} say" if run else ""
        left = line((" Findings ", "title"), (clean_line(self._version), "strong"), ("  " + about, "quiet"))
        told = in_short(run.found if run else None)
        self.query_one("#title", LineView).show([spread(left, line(*told[:1], " "), self.size.width)])

    @property
    def _picked(self) -> Finding | None:
        return self._list.picked if hasattr(self, "_list") else None

    def on_cursor_pane_moved(self) -> None:
        self.refresh_bindings()
        self._tell_reason()

    def on_cursor_pane_opened(self) -> None:
        self.action_why()

    def _tell_reason(self) -> None:
        one, why = self._picked, self.query_one(Reason)
        if why.has_class("-shown"):
            off = f'\n\n[lab] findings_off = ["{one.name}"] in experiments.toml switches it off.' if one else ""
            why.tell(reason(one.name) + off if one else "")
            why.scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        one = self._picked
        if action in ("take", "why"):
            return one is not None
        if action == "idea":
            return one is not None and bool(one.suggestion)
        if action == "new":
            return one is not None and bool(one.change)
        if action == "curve":
            return one is not None and self._charts is not None and bool(one.evidence.series)
        return True

    # Keys

    def action_close(self) -> None:
        """Leave; the reasoning goes first."""
        why = self.query_one(Reason)
        if why.has_class("-shown"):
            why.remove_class("-shown")
        else:
            self.dismiss(None)

    def action_move(self, findings: int) -> None:
        self._list.move(findings)

    def action_page(self, pages: int) -> None:
        self._list.page(pages)

    def action_scroll(self, rows: int) -> None:
        self.query_one(Reason).scroll_relative(y=rows, animate=False)

    def action_why(self) -> None:
        self.query_one(Reason).toggle_class("-shown")
        self._tell_reason()
        self.call_after_refresh(self._list.keep_in_sight)

    def action_take(self) -> None:
        if one := self._picked:
            self._put_down(one.sentence)

    def action_idea(self) -> None:
        one = self._picked
        if one and one.suggestion:
            self._put_down(f"[ ] {one.suggestion}")

    @work(group="write")
    async def _put_down(self, text: str) -> None:
        async with self._writing:
            done, said = await asyncio.to_thread(finding_actions.put_down, self._lab, self._version, text)
        self.app.notify(
            clean_line(said), severity="information" if done else "error", timeout=None if done else 8, markup=False
        )
        self._written()

    def action_new(self) -> None:
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        one, book = self._picked, self._read()
        if one and one.change and book and self._version in book.versions:
            screen = NewVersionScreen(self._lab, book, self._version, changes=one.change)
            self.app.push_screen(screen, self._made)

    def _made(self, name: str | None) -> None:
        if name:
            self.dismiss(name)

    def action_curve(self) -> None:
        one = self._picked
        if one and self._charts and one.evidence.series:
            self._charts(self._version, one.evidence.series[0], (one.evidence.first, one.evidence.last))
