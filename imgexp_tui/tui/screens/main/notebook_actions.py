"""The main screen's keys that act on the whole notebook: commit it with git, export it as markdown."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual.binding import Binding

from imgexp_tui.tui.screens.main.controller import Controller


class NotebookActions(Controller):
    """Commits and exports the notebook."""

    BINDINGS: ClassVar[list[Binding]] = [
        Binding("C", "commit", "Commit", show=False, tooltip="Commit the notebook with git, and nothing else"),
        Binding("x", "export", "Export", tooltip="Export the notebook as markdown"),
    ]

    def action_commit(self) -> None:
        """Ask for a message and commit the notebook."""
        self.screen.run_worker(self._commit(), group="commit", exclusive=True)

    async def _commit(self) -> None:
        from imgexp_tui.tui.screens.dialogs.commit import CommitScreen, plan_commit

        plan = await asyncio.to_thread(plan_commit, self.state.lab)
        if isinstance(plan, str):
            self.runner.notify(plan, "warning")
            return
        message = await self.screen.app.push_screen_wait(CommitScreen(plan))
        if message:
            from imgexp_tui.services.actions import runs

            await self.runner.run(partial(runs.commit, self.state.lab, message))

    def action_export(self) -> None:
        """Write the notebook as markdown; asks before it replaces a file that no export made."""
        self.screen.run_worker(self._export(), group="export")

    async def _export(self) -> None:
        book = self.state.snapshot.notebook
        if book is None:
            return
        from imgexp_tui.services.actions import runs

        question = f"{runs.EXPORT_NAME} is there already and no export made it. Replace it?"
        if await asyncio.to_thread(runs.would_overwrite, self.state.lab) and not await self.confirm(
            question, "Replace", "Keep it"
        ):
            return
        await self.runner.run(partial(runs.export, book))
