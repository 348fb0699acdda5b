"""The main screen's keys that open another screen on the version under the cursor, or on the lab.

A part of the main screen in a file of its own, as `version_keys` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgexp_tui.tui.screens.main.version_actions import VersionActions

if TYPE_CHECKING:
    from imgexp_tui.services.lab_watcher import LabWatcher


class Navigation(VersionActions):
    """What those keys do."""

    _watcher: LabWatcher | None

    # What the main screen gives

    def _version_created(self, name: str | None) -> None:
        raise NotImplementedError

    def _refresh_now(self) -> None:
        raise NotImplementedError

    def _select_and_refresh(self, version: str | None) -> None:
        raise NotImplementedError

    # Keys

    def action_log(self) -> None:
        run = self._snapshot.run
        if run is None or run.version != self._table.selected:
            self._notify_user(f"{self._table.selected} has no run yet.")
            return
        from imgexp_tui.tui.screens.log import LogScreen

        self.app.push_screen(LogScreen(self._lab, run.version, run.run))

    def action_predictions(self) -> None:
        run = self._snapshot.run
        if run is None or run.version != self._table.selected:
            self._notify_user(f"{self._table.selected} has no run yet.")
            return
        from imgexp_tui.tui.screens.predictions import PredictionsScreen

        self.app.push_screen(PredictionsScreen(self._lab, run.version, run.run))

    def action_findings(self) -> None:
        from imgexp_tui.tui.screens.findings import FindingsScreen

        if name := self._table.selected:
            look = (lambda: self._snapshot.run, lambda: self._snapshot.notebook)
            self.app.push_screen(
                FindingsScreen(self._lab, name, *look, self._refresh_now, self._open_evidence_chart),
                self._version_created,
            )

    def _open_evidence_chart(self, version: str, metric: str, steps: tuple[int | None, int | None]) -> None:
        first, last = steps
        self.open_charts([version], metric, None if first is None or last is None else (first, last))

    def action_charts(self) -> None:
        row = self._snapshot.rows.get(self._table.selected)
        if row is None or not row.displayed_run:
            self._notify_user(f"{self._table.selected} has no run yet.")
            return
        self.open_charts([self._table.selected])

    def open_charts(self, versions: Sequence[str], metric: str = "", steps: tuple[int, int] | None = None) -> None:
        """Open the charts of some versions, at a metric and a stretch of steps where they are given."""
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.views.charts.model import ChartChoice

        rows = self._snapshot.rows
        choices = [ChartChoice(name, rows[name].displayed_run if name in rows else "") for name in versions]
        self.app.push_screen(ChartsScreen(self._lab, choices, metric, steps))

    def action_compare(self) -> None:
        from imgexp_tui.tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(lambda: self._snapshot, self._table.selected), self._select_and_refresh)

    def action_ideas(self) -> None:
        from imgexp_tui.tui.screens.ideas import IdeasScreen

        self.app.push_screen(
            IdeasScreen(self._lab, lambda: self._snapshot.notebook, self._refresh_now), self._version_created
        )

    def action_queue(self) -> None:
        from imgexp_tui.tui.screens.queue import QueueScreen

        self.app.push_screen(QueueScreen(self._lab), self._select_and_refresh)

    def action_monitor(self) -> None:
        from imgexp_tui.tui.screens.monitor import MonitorScreen

        if self._watcher:
            self.app.push_screen(MonitorScreen(self._lab, self._watcher.machine), self._select_and_refresh)
