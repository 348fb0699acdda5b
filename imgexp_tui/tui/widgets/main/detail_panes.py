"""The group of panes below the table: notes, run, log and machine of the version under the cursor.

On a large terminal they are side by side. On a small one the current pane is alone, and its frame names the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from imgexp_tui.notebook.diff import SettingChange
from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.tui.widgets.main.panes import GaugeLine, LogPane, MachinePane, NotesPane, RunPane
from imgexp_tui.views.lab import LabSnapshot

PANES = ("run", "notes", "log")
"""The panes that can be the current one, in the order of the tab key."""


class DetailPanes(Vertical):
    """Shows one version at a time."""

    _last_titles: tuple[str, str, bool] | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            yield NotesPane(id="notes")
            yield RunPane(id="run")
        with Horizontal(id="lower"):
            yield LogPane(id="log")
            machine = MachinePane(id="machine")
            machine.border_title = Content("machine")
            yield machine
        yield GaugeLine(id="gauges")

    def show(self, name: str, version: Version | None, changes: Sequence[SettingChange], snapshot: LabSnapshot) -> None:
        """Show a version. Its run and log are shown if `snapshot` was read for that version."""
        known = snapshot.displayed_version == name
        run = snapshot.run if known else None
        measured = run.measured if run else ()
        self.query_one("#notes", NotesPane).show(version, changes, measured, draft=name in snapshot.drafts)
        self.query_one("#run", RunPane).show(name, run, loaded=known)
        if known:
            self.query_one("#log", LogPane).show(snapshot.log)
        self.show_machine(name, snapshot)

    def show_machine(self, name: str, snapshot: LabSnapshot) -> None:
        """Show the gauges, and the share of them that the version's run uses."""
        share = snapshot.run.resource_usage if snapshot.run and snapshot.displayed_version == name else None
        self.query_one("#machine", MachinePane).show(snapshot.machine, share)
        self.query_one("#gauges", GaugeLine).show(snapshot.machine, share)

    def set_current(self, current: str, version: str, *, is_only_pane: bool) -> None:
        """Mark the current pane, and set the titles of the frames.

        Args:
            is_only_pane: whether the current pane is the only one in sight.
        """
        if (current, version, is_only_pane) == self._last_titles:
            return  # setting a title repaints its line
        self._last_titles = (current, version, is_only_pane)
        for name in PANES:
            pane = self.query_one(f"#{name}", Pane)
            pane.set_class(name == current, "-current")
            pane.set_title(_tab_title(name, version) if is_only_pane else Content(f"{version} {name}".strip()))

    def pane(self, name: str) -> Pane:
        """One of `PANES`."""
        return self.query_one(f"#{name}", Pane)


def _tab_title(current: str, version: str) -> Content:
    tabs = [(f" {name} ", "bold reverse" if name == current else "") for name in PANES]
    return Content.assemble((version, "bold"), " ", *tabs)
