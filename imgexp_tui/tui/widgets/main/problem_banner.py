"""The banner above the versions that shows what is wrong with the notebook; hidden while nothing is."""

from __future__ import annotations

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import clean_line, truncate
from imgexp_tui.tui.widgets.base.styled_view import Pane
from imgexp_tui.views.styled import Line, line

_MAX_LINES = 3


class ProblemBanner(Pane):
    """Shows the first problems, one a line, and counts the rest."""

    _sentences: tuple[str, ...] = ()

    def show(self, notebook: Notebook | None, problem: str) -> None:
        """Show why the notebook cannot be read, or its problems."""
        problems = notebook.problems if notebook else ()
        self._sentences = tuple(clean_line(s) for s in (problem, *map(str, problems)) if s)
        self.display = bool(self._sentences)
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        first = self._sentences[:_MAX_LINES]
        rows = [line(("! ", "bad"), truncate(sentence, width - 2)) for sentence in first]
        if more := len(self._sentences) - len(first):
            rows.append(line((f"  and {more} more: imgexp-tui check lists them all", "quiet")))
        return rows
