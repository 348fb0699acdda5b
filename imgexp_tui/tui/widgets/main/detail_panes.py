"""The panes below the table, together: notes, run, log and machine of the version under the cursor.

On a large terminal they stand side by side; on a small one the current pane stands alone, and its frame names the
others.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from imgexp_tui.notebook.diff import Change
from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.tui.widgets.main.panes import GaugeLine, LogPane, MachinePane, NotesPane, RunPane
from imgexp_tui.views.lab import Look

PANES = ("run", "notes", "log")
"""The panes that can be the current one, in the order in which the keys go through them."""


class Desk(Vertical):
    """Shows one version at a time."""

    _titled: tuple[str, str, bool] | None = None

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

    def tell(self, name: str, version: Version | None, changes: Sequence[Change], look: Look) -> None:
        """Show a version. Its run and log follow when `look` is of that version."""
        known = look.shown == name
        run = look.run if known else None
        measured = run.measured if run else ()
        self.query_one("#notes", NotesPane).tell(version, changes, measured, draft=name in look.drafts)
        self.query_one("#run", RunPane).tell(name, run, known=known)
        if known:
            self.query_one("#log", LogPane).tell(look.log)
        self.tell_machine(name, look)

    def tell_machine(self, name: str, look: Look) -> None:
        """Show the gauges, and what the version's run takes of them."""
        share = look.run.share if look.run and look.shown == name else None
        self.query_one("#machine", MachinePane).tell(look.machine, share)
        self.query_one("#gauges", GaugeLine).tell(look.machine, share)

    def set_current(self, current: str, version: str, *, alone: bool) -> None:
        """Mark the current pane, and say in the frames what they show.

        Args:
            alone: whether the current pane is the only one in sight.
        """
        if (current, version, alone) == self._titled:
            return  # a title that is set again is drawn again, with all of its pane
        self._titled = (current, version, alone)
        for name in PANES:
            pane = self.query_one(f"#{name}", Pane)
            pane.set_class(name == current, "-current")
            pane.set_title(_tabs(name, version) if alone else Content(f"{version} {name}".strip()))

    def pane(self, name: str) -> Pane:
        """One of `PANES`."""
        return self.query_one(f"#{name}", Pane)


def _tabs(current: str, version: str) -> Content:
    tabs = [(f" {name} ", "bold reverse" if name == current else "") for name in PANES]
    return Content.assemble((version, "bold"), " ", *tabs)
