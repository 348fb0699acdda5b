"""The main screen's keys that act on runs: start, stop and resume. A key that copies a run's path would go here."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual.binding import Binding
from textual.screen import Screen

from imgexp_tui.tui.screens.main.controller import Controller
from imgexp_tui.tui.screens.main.state import MainState
from imgexp_tui.tui.widgets.main.version_table import VersionTable


class RunActions(Controller):
    """Starts, stops and resumes runs of the version under the cursor."""

    BINDINGS: ClassVar[list[Binding]] = [
        Binding("r", "run", "Run", tooltip="Start a run of this version"),
        Binding("S", "stop", "Stop", tooltip="Stop this version's run; asks first"),
        Binding("R", "resume", "Resume", tooltip="Resume the run that is shown from its last checkpoint"),
    ]

    def __init__(self, screen: Screen[Any], state: MainState, table: VersionTable) -> None:
        super().__init__(screen, state, table)
        self._can_stop = self._can_resume = False

    def update_keys(self) -> bool:
        """Find out which keys do something for the version under the cursor. Returns whether that changed."""
        row = self.state.snapshot.rows.get(self.table.selected)
        before = self._can_stop, self._can_resume
        self._can_stop = bool(row and row.live)
        self._can_resume = bool(row and row.state and not row.live and row.state != "finished")
        return before != (self._can_stop, self._can_resume)

    def is_enabled(self, action: str) -> bool:
        return {"stop": self._can_stop, "resume": self._can_resume}.get(action, True)

    def action_run(self) -> None:
        """Start a run of the version under the cursor."""
        self.screen.run_worker(self._run(), group="run")

    async def _run(self) -> None:
        book, name = self.state.snapshot.notebook, self.table.selected
        if book is None or not name:
            return
        row = self.state.snapshot.rows.get(name)
        question = f"{name} is {row.state}. Start another run of it?" if row and row.live else ""
        if question and not await self.confirm(question, "Start", "No"):
            return
        from imgexp_tui.services.actions import runs

        if await self.runner.run(partial(runs.start, book, name)):
            self.state.were_live.add(name)  # the run may have ended before the watcher sees it

    def action_stop(self) -> None:
        """Stop the live run of the version under the cursor, or take it out of the queue; asks first."""
        self.screen.run_worker(self._stop(), group="run")

    async def _stop(self) -> None:
        run = self.state.snapshot.run
        if run is None or not run.live or run.version != self.table.selected:
            return
        question, yes, no = f"Stop {run.version}? It saves a checkpoint and can be resumed.", "Stop", "Keep it running"
        if run.state == "queued":
            question = f"Take {run.version} out of the queue? R puts it back."
            yes, no = "Take it out", "Keep it waiting"
        if not await self.confirm(question, yes, no):
            return
        from imgexp_tui.services.actions import runs

        await self.runner.run(partial(runs.stop, self.state.lab, run.version, run.run))

    def action_resume(self) -> None:
        """Resume the displayed run from its last checkpoint."""
        self.screen.run_worker(self._resume(), group="run")

    async def _resume(self) -> None:
        run = self.state.snapshot.run
        if run is None or run.version != self.table.selected:
            return
        from imgexp_tui.services.actions import runs

        await self.runner.run(partial(runs.resume, self.state.lab, run.version, run.run))
