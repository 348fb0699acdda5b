"""Things of several lines each, one below the other: the lines, and where each of them begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from imgexp_tui.views.styled import Line


@dataclass(frozen=True, slots=True)
class ItemLayout:
    """Lines, and for each thing the line from which on it is to be seen, its first line, and the one after its last."""

    lines: list[Line] = field(default_factory=list)
    item_spans: list[tuple[int, int, int]] = field(default_factory=list)

    def item_at(self, row: int) -> int | None:
        """The thing whose line or group's name stands in a row."""
        return next((i for i, (top, _, end) in enumerate(self.item_spans) if top <= row < end), None)
