"""The list of one run's findings, with a cursor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from imgexp_tui.findings.model import Finding
from imgexp_tui.tui.widgets.base.item_list import ItemList
from imgexp_tui.views.findings import layout_findings
from imgexp_tui.views.item_layout import ItemLayout


class FindingList(ItemList[Finding]):
    """Findings, each with its suggestion. The cursor stays on its finding when the list changes."""

    def key(self, item: Finding) -> Hashable:
        return item.name

    def fill(self, findings: Sequence[Finding], empty_text: str) -> None:
        """Show these findings; `empty_text` where there are none."""
        self._empty_text = empty_text
        self.set_items(findings)

    def layout_items(self, width: int) -> ItemLayout:
        return layout_findings(self.items, width)
