"""The single panes of the main screen: notes, run, log and machine of the version under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgexp_tui.notebook.diff import SettingChange
from imgexp_tui.notebook.model import Version
from imgexp_tui.text import truncate
from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.views.lab import LogLines
from imgexp_tui.views.machine import gauges
from imgexp_tui.views.notes.panel import note_lines
from imgexp_tui.views.runs.model import ResourceUsage, RunSummary
from imgexp_tui.views.runs.panel import run_lines
from imgexp_tui.views.styled import Line, line

if TYPE_CHECKING:
    from imgexp_tui.views.machine.model import Machine


class NotesPane(Pane):
    """A version's notes and settings."""

    _version: Version | None = None
    _changes: Sequence[SettingChange] = ()
    _measured: Sequence[tuple[str, str]] = ()
    _draft = False

    def show(
        self,
        version: Version | None,
        changes: Sequence[SettingChange],
        measured: Sequence[tuple[str, str]],
        *,
        draft: bool,
    ) -> None:
        """Show a version; None empties the pane. A different version is shown from its top."""
        if version is None or self._version is None or version.name != self._version.name:
            self.scroll_home(animate=False)
        self._version, self._changes, self._measured, self._draft = version, changes, measured, draft
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if self._version is None:
            return []
        return note_lines(self._version, self._changes, self._measured, width, has_draft=self._draft)


class RunPane(Pane):
    """A version's latest run."""

    _run: RunSummary | None = None
    _version = ""
    _loaded = False

    def show(self, version: str, run: RunSummary | None, *, loaded: bool) -> None:
        """Show a run, or that there is none. `loaded` is False until the watcher has read the version's runs."""
        if self.lines and (version, run, loaded) == (self._version, self._run, self._loaded):
            return
        self._version, self._run, self._loaded = version, run, loaded
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if self._run is not None:
            return run_lines(self._run, width, height)
        if not self._loaded or not self._version:
            return []
        return [line((f"{self._version} has not run yet: ", "quiet"), ("r", "key"), (" starts it.", "quiet"))]


class LogPane(Pane):
    """The last lines that a run printed. Follows the end unless the user scrolled back."""

    _log = LogLines()

    def show(self, log: LogLines) -> None:
        """Show the lines of a log."""
        if log.lines is self._log.lines:
            return
        at_end = self.is_at_end
        self._log = log
        self.rebuild()
        if at_end:
            self.scroll_to_end()

    def build(self, width: int, height: int) -> list[Line]:
        if not self._log.lines:
            return [line(("nothing printed yet", "quiet"))]
        return [line(truncate(text, width)) for text in self._log.lines]

    def on_resize(self) -> None:
        super().on_resize()
        self.scroll_to_end()


class MachinePane(Pane):
    """The machine's gauges with bars."""

    _machine: Machine | None = None
    _share: ResourceUsage | None = None

    def show(self, machine: Machine | None, share: ResourceUsage | None) -> None:
        """Show the gauges, and the share of them that the run uses."""
        self._machine, self._share = machine, share
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return gauges.gauge_panel(self._machine, self._share, width)


class GaugeLine(MachinePane):
    """The machine's gauges in one line."""

    def build(self, width: int, height: int) -> list[Line]:
        return [gauges.gauge_line(self._machine, self._share, width)]
