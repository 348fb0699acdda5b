"""Draws versions side by side: one column each, as many as fit, with the best value of a row in bold and marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.reports.side_by_side import ComparisonRow, ComparisonSection
from imgexp_tui.text import clean_line
from imgexp_tui.views.styled import Line, Span, line, pad
from imgexp_tui.views.wrap import wrap

_LABEL_WIDTH, _MIN_COLUMN_WIDTH = 20, 18
_GAP = "  "


@dataclass(frozen=True, slots=True)
class VisibleSides:
    """The visible versions: `count` of them from index `first` on, each `width` cells wide."""

    first: int
    count: int
    width: int


def fit_sides(side_count: int, first: int, room: int) -> VisibleSides:
    """As many versions as fit `room` cells, from index `first` on or, at the end, the last ones."""
    fit = max(1, (room - _LABEL_WIDTH) // (_MIN_COLUMN_WIDTH + len(_GAP)))
    count = min(side_count, fit)
    width = max(8, (room - _LABEL_WIDTH) // max(1, count) - len(_GAP))
    return VisibleSides(max(0, min(first, side_count - count)), count, width)


def header_row(names: Sequence[str], visible: VisibleSides, room: int) -> Line:
    """The versions' names above their columns."""
    spans: list[Span | str] = [pad_text("", _LABEL_WIDTH)]
    for name in names[visible.first : visible.first + visible.count]:
        spans += [_GAP, *pad(line((clean_line(name), "strong")), visible.width)]
    return pad(line(*spans), room)


def side_by_side_lines(parts: Sequence[ComparisonSection], visible: VisibleSides, *, include_equal: bool) -> list[Line]:
    """The parts under their titles; settings that are the same on all sides only where `include_equal` is wanted."""
    out: list[Line] = []
    for part in parts:
        entries = [e for e in part.rows if include_equal or part.title != "settings" or e.differs]
        same = len(part.rows) - len(entries)
        title = line((part.title, "title"), (f"  {same} that are the same are left out" if same else "", "quiet"))
        out += [title] if not out else [(), title]
        for entry in entries:
            out += _entry_rows(entry, visible)
    return out


def _entry_rows(entry: ComparisonRow, visible: VisibleSides) -> list[Line]:
    """An entry, in as many rows as its longest cell needs."""
    indices = range(visible.first, visible.first + visible.count)
    # A column's last two cells are for the mark, so that numbers stand in line with and without it.
    cells = [wrap(entry.cells[i], visible.width - 2) if entry.cells[i] else ["–"] for i in indices]
    rows = []
    for y in range(max(map(len, cells))):
        label = clean_line(entry.label) if y == 0 else ""
        spans: list[Span | str] = [(pad_text(f" {label}", _LABEL_WIDTH), "quiet")]
        for i, texts in zip(indices, cells, strict=True):
            text = texts[y] if y < len(texts) else ""
            ahead = entry.best_index == i and y == 0
            role = "strong" if ahead else "quiet" if not entry.cells[i] else ""
            spans += [_GAP, *pad(line((text, role), (" ◂" if ahead else "", "good")), visible.width)]
        rows.append(line(*spans))
    return rows


def pad_text(text: str, room: int) -> str:
    """`text` in exactly `room` cells."""
    return "".join(part for part, _ in pad(line(text), room))
