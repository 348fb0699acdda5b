"""Holds the layout of a list whose items take several lines each: the lines, and the lines of each item."""

from __future__ import annotations

from dataclasses import dataclass, field

from imgexp_tui.views.styled import Line


@dataclass(frozen=True, slots=True)
class ItemLayout:
    """The lines of a list, and the place of each item in them.

    Attributes:
        item_spans: for each item, the first line to keep visible with it (such as its group's heading), its first line,
            and the line after its last.
    """

    lines: list[Line] = field(default_factory=list)
    item_spans: list[tuple[int, int, int]] = field(default_factory=list)

    def item_at(self, row: int) -> int | None:
        """The index of the item in a row; a group's heading belongs to its first item."""
        return next((i for i, (top, _, end) in enumerate(self.item_spans) if top <= row < end), None)
