"""The main screen's keys that open another screen on the version under the cursor, or on the lab.

A part of the main screen in a file of its own, as `version_keys` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgexp_tui.tui.screens.main.version_actions import VersionKeys

if TYPE_CHECKING:
    from imgexp_tui.services.lab_watcher import Watcher


class ScreenKeys(VersionKeys):
    """What those keys do."""

    _watcher: Watcher | None

    # What the main screen gives

    def _made(self, name: str | None) -> None:
        raise NotImplementedError

    def _hurry(self) -> None:
        raise NotImplementedError

    def _return_to(self, version: str | None) -> None:
        raise NotImplementedError

    # Keys

    def action_log(self) -> None:
        run = self._look.run
        if run is None or run.version != self._table.picked:
            self._say(f"{self._table.picked} has no run yet.")
            return
        from imgexp_tui.tui.screens.log import LogScreen

        self.app.push_screen(LogScreen(self._lab, run.version, run.run))

    def action_answers(self) -> None:
        run = self._look.run
        if run is None or run.version != self._table.picked:
            self._say(f"{self._table.picked} has no run yet.")
            return
        from imgexp_tui.tui.screens.predictions import AnswersScreen

        self.app.push_screen(AnswersScreen(self._lab, run.version, run.run))

    def action_findings(self) -> None:
        from imgexp_tui.tui.screens.findings import FindingsScreen

        if name := self._table.picked:
            look = (lambda: self._look.run, lambda: self._look.notebook)
            self.app.push_screen(FindingsScreen(self._lab, name, *look, self._hurry, self._evidence), self._made)

    def _evidence(self, version: str, metric: str, steps: tuple[int | None, int | None]) -> None:
        first, last = steps
        self.charts([version], metric, None if first is None or last is None else (first, last))

    def action_charts(self) -> None:
        row = self._look.rows.get(self._table.picked)
        if row is None or not row.shown:
            self._say(f"{self._table.picked} has no run yet.")
            return
        self.charts([self._table.picked])

    def charts(self, versions: Sequence[str], metric: str = "", steps: tuple[int, int] | None = None) -> None:
        """Open the charts of some versions, at a metric and a stretch of steps where they are given."""
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.views.charts.model import Choice

        rows = self._look.rows
        choices = [Choice(name, rows[name].shown if name in rows else "") for name in versions]
        self.app.push_screen(ChartsScreen(self._lab, choices, metric, steps))

    def action_compare(self) -> None:
        from imgexp_tui.tui.screens.compare import LeadersScreen

        self.app.push_screen(LeadersScreen(lambda: self._look, self._table.picked), self._return_to)

    def action_ideas(self) -> None:
        from imgexp_tui.tui.screens.ideas import IdeasScreen

        self.app.push_screen(IdeasScreen(self._lab, lambda: self._look.notebook, self._hurry), self._made)

    def action_queue(self) -> None:
        from imgexp_tui.tui.screens.queue import QueueScreen

        self.app.push_screen(QueueScreen(self._lab), self._return_to)

    def action_monitor(self) -> None:
        from imgexp_tui.tui.screens.monitor import MonitorScreen

        if self._watcher:
            self.app.push_screen(MonitorScreen(self._lab, self._watcher.machine), self._return_to)
