"""A list of findings with a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from imgexp_tui.findings.model import Finding
from imgexp_tui.tui.widgets.base.item_list import TallList
from imgexp_tui.views.findings import laid_out
from imgexp_tui.views.item_layout import Laid


class FindingList(TallList):
    """The cursor stays on its finding when the list changes under it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._findings: Sequence[Finding] = ()

    @property
    def count(self) -> int:
        return len(self._findings)

    @property
    def picked(self) -> Finding | None:
        """The finding under the cursor."""
        return self._findings[self.cursor] if self._findings else None

    def fill(self, found: Sequence[Finding], otherwise: str) -> None:
        """Show these findings; `otherwise` where there are none."""
        picked, self._findings, self._otherwise = self.picked, found, otherwise
        names = [one.name for one in found]
        if picked and picked.name in names:
            self.cursor = names.index(picked.name)
        self.cursor = max(0, min(self.cursor, self.count - 1))
        self.rebuild()
        self.refresh()
        self.keep_in_sight()
        self.post_message(self.Moved())

    def lay_out(self, width: int) -> Laid:
        return laid_out(self._findings, width)
