"""A list of findings with a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from imgexp_tui.findings.model import Finding
from imgexp_tui.tui.widgets.base.item_list import ItemList
from imgexp_tui.views.findings import layout_findings
from imgexp_tui.views.item_layout import ItemLayout


class FindingList(ItemList):
    """The cursor stays on its finding when the list changes under it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._findings: Sequence[Finding] = ()

    @property
    def count(self) -> int:
        return len(self._findings)

    @property
    def selected(self) -> Finding | None:
        """The finding under the cursor."""
        return self._findings[self.cursor] if self._findings else None

    def fill(self, findings: Sequence[Finding], empty_text: str) -> None:
        """Show these findings; `empty_text` where there are none."""
        picked, self._findings, self._empty_text = self.selected, findings, empty_text
        names = [one.name for one in findings]
        if picked and picked.name in names:
            self.cursor = names.index(picked.name)
        self.cursor = max(0, min(self.cursor, self.count - 1))
        self.rebuild()
        self.refresh()
        self.scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def layout_items(self, width: int) -> ItemLayout:
        return layout_findings(self._findings, width)
