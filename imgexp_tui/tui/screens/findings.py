"""The screen of a run's findings, with keys for the takeaways, for a new version, and for the curve behind each.

A thread of the main screen's watcher computes the findings; this screen displays them. A new finding is a module of
`findings.rules`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.findings.format import rule_reasoning
from imgexp_tui.findings.model import Finding
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.services.actions import findings as finding_actions
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.text import clean_line
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.tui.widgets.finding_list import FindingList
from imgexp_tui.views.findings import reason_lines, summary_line
from imgexp_tui.views.runs.model import RunSummary
from imgexp_tui.views.styled import Line, justify, line

_POLL_INTERVAL = 0.2
"""Seconds between two polls of what the watcher has read; no file is read for them."""

OpenCharts = Callable[[str, str, tuple[int | None, int | None]], object]
"""`open_charts(version, metric, steps)` shows a curve from the first to the last step of `steps`."""


class ReasonPane(Pane):
    """The reasoning and the sources of a rule."""

    _text = ""

    def show(self, text: str) -> None:
        """Show a rule's reasoning."""
        self._text = text
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return reason_lines(self._text, width)


class FindingsScreen(StyledScreen[str | None]):
    """Dismissed with the version that was made from a finding, or None.

    Args:
        lab: the lab's folder.
        version: the version whose findings are displayed.
        read_run: returns the version's run as it was last read.
        read_notebook: returns the notebook as it was last read; None while it cannot be read.
        notify_written: called when something was written, so that it is read at once.
        open_charts: shows a curve; None if no screen can.
    """

    CSS_PATH = "findings.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("t", "add_takeaway", "Takeaway", tooltip="Put this finding into the takeaways"),
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
        read_run: Callable[[], RunSummary | None],
        read_notebook: Callable[[], Notebook | None],
        notify_written: Callable[[], None],
        open_charts: OpenCharts | None = None,
    ) -> None:
        super().__init__()
        self._lab = lab
        self._version = version
        self._read_run = read_run
        self._read_notebook = read_notebook
        self._runner = ActionRunner(self, notify_written)
        self._open_charts = open_charts
        self._displayed_run: RunSummary | None = None
        self._has_polled = False
        self._writing = asyncio.Lock()

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield FindingList(id="findings")
        yield ReasonPane(id="why")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._list = self.query_one(FindingList)
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw_title()

    def _poll(self) -> None:
        """Show the version's run, if it changed since the last poll."""
        run = self._read_run()
        if run is not None and run.version != self._version:
            return
        before, self._displayed_run = self._displayed_run, run
        if self._has_polled and run and before and (run.run, run.findings) == (before.run, before.findings):
            return
        self._has_polled = True
        self._list.fill((run.findings if run else None) or (), self._empty_text(run))
        self._draw_title()

    def _empty_text(self, run: RunSummary | None) -> str:
        if run is None:
            return f"{clean_line(self._version)} has no run yet."
        if run.findings is None:
            return "Its record is being looked at."
        if run.live:
            return "Nothing to say so far. Some rules wait for a few epochs, others for the end."
        return "Nothing to say: no rule found anything."

    def _draw_title(self) -> None:
        run = self._displayed_run
        about = f"what the numbers of {run.run} say" if run else ""
        left = line((" Findings ", "title"), (clean_line(self._version), "strong"), ("  " + about, "quiet"))
        summary = summary_line(run.findings if run else None)
        self.query_one("#title", StyledView).set_lines([justify(left, line(*summary[:1], " "), self.size.width)])

    @property
    def _selected(self) -> Finding | None:
        return self._list.selected if hasattr(self, "_list") else None

    def on_list_pane_cursor_moved(self) -> None:
        self.refresh_bindings()
        self._update_reason()

    def on_list_pane_item_opened(self) -> None:
        self.action_why()

    def _update_reason(self) -> None:
        finding, why = self._selected, self.query_one(ReasonPane)
        if why.has_class("-shown"):
            off = f'\n\n[lab] findings_off = ["{finding.name}"] in experiments.toml switches it off.' if finding else ""
            why.show(rule_reasoning(finding.name) + off if finding else "")
            why.scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        finding = self._selected
        if action in ("add_takeaway", "why"):
            return finding is not None
        if action == "idea":
            return finding is not None and bool(finding.suggestion)
        if action == "new":
            return finding is not None and bool(finding.change)
        if action == "curve":
            return finding is not None and self._open_charts is not None and bool(finding.evidence.series)
        return True

    def action_close(self) -> None:
        """Close the reasoning, or the screen if it is closed."""
        why = self.query_one(ReasonPane)
        if why.has_class("-shown"):
            why.remove_class("-shown")
        else:
            self.dismiss(None)

    def action_move(self, findings: int) -> None:
        self._list.move(findings)

    def action_page(self, pages: int) -> None:
        self._list.move_pages(pages)

    def action_scroll(self, rows: int) -> None:
        self.query_one(ReasonPane).scroll_relative(y=rows, animate=False)

    def action_why(self) -> None:
        self.query_one(ReasonPane).toggle_class("-shown")
        self._update_reason()
        self.call_after_refresh(self._list.scroll_to_cursor)

    def action_add_takeaway(self) -> None:
        if finding := self._selected:
            self._add_to_takeaways(finding.sentence)

    def action_idea(self) -> None:
        finding = self._selected
        if finding and finding.suggestion:
            self._add_to_takeaways(f"[ ] {finding.suggestion}")

    @work(group="write")
    async def _add_to_takeaways(self, text: str) -> None:
        async with self._writing:
            await self._runner.run(partial(_add_to_takeaways, self._lab, self._version, text))

    def action_new(self) -> None:
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        finding, book = self._selected, self._read_notebook()
        if finding and finding.change and book and self._version in book.versions:
            screen = NewVersionScreen(self._lab, book, self._version, changes=finding.change)
            self.app.push_screen(screen, self._version_created)

    def _version_created(self, name: str | None) -> None:
        if name:
            self.dismiss(name)

    def action_curve(self) -> None:
        finding = self._selected
        if finding and self._open_charts and finding.evidence.series:
            evidence = finding.evidence
            self._open_charts(self._version, evidence.series[0], (evidence.first, evidence.last))


def _add_to_takeaways(lab: Path, version: str, text: str) -> str:
    done, sentence = finding_actions.add_to_takeaways(lab, version, text)
    if not done:
        raise ActionError(sentence)
    return sentence
