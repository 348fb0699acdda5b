"""The main screen's keys that open another screen: the editor, charts, findings, the queue, the log and so on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding

from imgexp_tui.tui.screens.main.controller import Controller

NOTE_BINDINGS = [
    Binding("e,enter", "edit('takeaways')", "Takeaways", tooltip="Write takeaways; also while it runs"),
    Binding("s", "edit('summary')", "Summary", tooltip="Write the summary"),
]
NEW_VERSION_BINDINGS = [
    Binding("n", "new", "New", tooltip="New version from this one"),
    Binding("i", "ideas", "Next", tooltip="Open ideas of all versions: what to try next"),
]
SCREEN_BINDINGS = [
    Binding("Q", "queue", "Queue", tooltip="What runs and what waits on this machine, in which order"),
    Binding("d", "compare", "Compare", tooltip="All versions in a table; marked ones side by side"),
    Binding("c", "charts", "Charts", tooltip="This version's curves on the whole screen, and others over them"),
    Binding("m", "monitor", "Monitor", tooltip="The machine: every gauge with its past, and the processes"),
    Binding("l", "log", "Log", tooltip="The run's log on the whole screen"),
    Binding("p", "predictions", "Pictures", tooltip="The validation images that it gets most wrong; confusion"),
    Binding("F", "findings", "Findings", tooltip="What the run's numbers say, and what to do about it"),
    Binding("H", "history", "History", show=False, tooltip="Saved states of this version's notes; brings one back"),
]


class Navigation(Controller):
    """Opens screens on the version under the cursor, or on the lab. A screen's module is loaded when it is opened."""

    BINDINGS: ClassVar[list[Binding]] = [*NOTE_BINDINGS, *NEW_VERSION_BINDINGS, *SCREEN_BINDINGS]

    def action_edit(self, field: str, line: int = 0) -> None:
        """Open the editor in a note of the version under the cursor, with the cursor on a line, 1-based."""
        name = self.table.selected
        if not name:
            return
        from imgexp_tui.tui.screens.editor import EditorScreen

        row = self.state.snapshot.rows.get(name)
        editor = EditorScreen(self.state.lab, name, field, row.displayed_run if row else "", line)
        self.screen.app.push_screen(editor, lambda _: self.request_refresh())

    def action_new(self) -> None:
        if self.state.snapshot.notebook is None:
            self.runner.notify(self.state.snapshot.problem, "error")
            return
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        screen = NewVersionScreen(self.state.lab, self.state.snapshot.notebook, self.table.selected)
        self.screen.app.push_screen(screen, self.announce_version)

    def action_ideas(self) -> None:
        from imgexp_tui.tui.screens.ideas import IdeasScreen

        screen = IdeasScreen(self.state.lab, lambda: self.state.snapshot.notebook, self.request_refresh)
        self.screen.app.push_screen(screen, self.announce_version)

    def action_queue(self) -> None:
        from imgexp_tui.tui.screens.queue import QueueScreen

        self.screen.app.push_screen(QueueScreen(self.state.lab), self.request_version)

    def action_compare(self) -> None:
        from imgexp_tui.tui.screens.compare import CompareScreen

        screen = CompareScreen(lambda: self.state.snapshot, self.table.selected)
        self.screen.app.push_screen(screen, self.request_version)

    def action_charts(self) -> None:
        row = self.state.snapshot.rows.get(self.table.selected)
        if row is None or not row.displayed_run:
            self._notify_no_run()
            return
        self.open_charts([self.table.selected])

    def open_charts(self, versions: Sequence[str], metric: str = "", steps: tuple[int, int] | None = None) -> None:
        """Open the charts of some versions, at a metric and a range of steps where they are given."""
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.views.charts.model import ChartChoice

        rows = self.state.snapshot.rows
        choices = [ChartChoice(name, rows[name].displayed_run if name in rows else "") for name in versions]
        self.screen.app.push_screen(ChartsScreen(self.state.lab, choices, metric, steps))

    def action_monitor(self) -> None:
        from imgexp_tui.tui.screens.monitor import MonitorScreen

        if watcher := self.state.watcher:
            self.screen.app.push_screen(MonitorScreen(self.state.lab, watcher.machine), self.request_version)

    def action_log(self) -> None:
        run = self.state.snapshot.run
        if run is None or run.version != self.table.selected:
            self._notify_no_run()
            return
        from imgexp_tui.tui.screens.log import LogScreen

        self.screen.app.push_screen(LogScreen(self.state.lab, run.version, run.run))

    def action_predictions(self) -> None:
        run = self.state.snapshot.run
        if run is None or run.version != self.table.selected:
            self._notify_no_run()
            return
        from imgexp_tui.tui.screens.predictions import PredictionsScreen

        self.screen.app.push_screen(PredictionsScreen(self.state.lab, run.version, run.run))

    def action_findings(self) -> None:
        from imgexp_tui.tui.screens.findings import FindingsScreen

        name = self.table.selected
        if not name:
            return
        screen = FindingsScreen(
            self.state.lab,
            name,
            read_run=lambda: self.state.snapshot.run,
            read_notebook=lambda: self.state.snapshot.notebook,
            notify_written=self.request_refresh,
            open_charts=self._open_evidence_chart,
        )
        self.screen.app.push_screen(screen, self.announce_version)

    def _open_evidence_chart(self, version: str, metric: str, steps: tuple[int | None, int | None]) -> None:
        first, last = steps
        self.open_charts([version], metric, None if first is None or last is None else (first, last))

    def action_history(self) -> None:
        if not self.table.selected:
            return
        from imgexp_tui.tui.screens.history import HistoryScreen

        screen = HistoryScreen(self.state.lab, self.table.selected)
        self.screen.app.push_screen(screen, lambda _: self.request_refresh())

    def _notify_no_run(self) -> None:
        self.runner.notify(f"{self.table.selected} has no run yet.")
