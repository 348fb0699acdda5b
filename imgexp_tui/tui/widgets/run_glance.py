"""A run beside a text: a column of live curves and figures, or two lines below it."""

from __future__ import annotations

from imgexp_tui.tui import run_beside
from imgexp_tui.tui.lines import Line
from imgexp_tui.tui.shown_run import Run
from imgexp_tui.tui.widgets.line_view import Pane


class RunGlance(Pane):
    """Shows a run. Only cells that changed are sent, so that a still screen sends nothing."""

    def __init__(self, version: str, *, below: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._version = version
        self._below = below
        self._run: Run | None = None
        self._told = False

    def tell(self, run: Run | None) -> None:
        """Show `run`; None stands for a version without runs."""
        if not self._told or run != self._run:
            self._run, self._told = run, True
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if not self._told:
            return []
        if self._below:
            return run_beside.below(self._run, width)
        return run_beside.column(self._version, self._run, width, height)
