"""A run beside a text: a column of live curves and figures, or two lines below it."""

from __future__ import annotations

from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.views.runs import sidebar
from imgexp_tui.views.runs.model import Run
from imgexp_tui.views.styled import Line


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
            return sidebar.below(self._run, width)
        return sidebar.column(self._version, self._run, width, height)
