"""The run beside the editor: a column of live curves and figures, or two lines below the notes."""

from __future__ import annotations

from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.views.runs import sidebar
from imgexp_tui.views.runs.model import RunSummary
from imgexp_tui.views.styled import Line


class RunSidebar(Pane):
    """Shows a run. With `below`, as two lines."""

    def __init__(self, version: str, *, below: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._version = version
        self._below = below
        self._run: RunSummary | None = None
        self._has_data = False

    def show(self, run: RunSummary | None) -> None:
        """Show `run`; None for a version without runs."""
        if not self._has_data or run != self._run:
            self._run, self._has_data = run, True
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if not self._has_data:
            return []
        if self._below:
            return sidebar.two_line_summary(self._run, width)
        return sidebar.sidebar_lines(self._version, self._run, width, height)
