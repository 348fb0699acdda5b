"""The comparison of versions as lines: a column for each, as many as fit, what is ahead in bold with a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.reports.side_by_side import Entry, Part
from imgexp_tui.text import clean_line
from imgexp_tui.views.styled import Line, Span, line, pad
from imgexp_tui.views.wrap import wrap

_LABEL, _NARROWEST = 20, 18
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Columns:
    """Which sides are in sight: `first` and the following `count`, each `width` cells wide."""

    first: int
    count: int
    width: int


def columns(sides: int, first: int, room: int) -> Columns:
    """As many sides as fit `room` cells, from `first` on or, at the end, the last ones."""
    fit = max(1, (room - _LABEL) // (_NARROWEST + len(_GAP)))
    count = min(sides, fit)
    width = max(8, (room - _LABEL) // max(1, count) - len(_GAP))
    return Columns(max(0, min(first, sides - count)), count, width)


def head(names: Sequence[str], at: Columns, room: int) -> Line:
    """The versions' names above their columns."""
    spans: list[Span | str] = [pad_text("", _LABEL)]
    for name in names[at.first : at.first + at.count]:
        spans += [_GAP, *pad(line((clean_line(name), "strong")), at.width)]
    return pad(line(*spans), room)


def beside_lines(parts: Sequence[Part], at: Columns, *, everything: bool) -> list[Line]:
    """The parts under their titles; settings that are the same on all sides only where `everything` is wanted."""
    out: list[Line] = []
    for part in parts:
        entries = [e for e in part.entries if everything or part.title != "settings" or e.differs]
        same = len(part.entries) - len(entries)
        title = line((part.title, "title"), (f"  {same} that are the same are left out" if same else "", "quiet"))
        out += [title] if not out else [(), title]
        for entry in entries:
            out += _rows(entry, at)
    return out


def _rows(entry: Entry, at: Columns) -> list[Line]:
    """An entry, in as many rows as its longest cell needs."""
    shown = range(at.first, at.first + at.count)
    # A column's last two cells are for the mark, so that numbers stand in line with and without it.
    cells = [wrap(entry.cells[i], at.width - 2) if entry.cells[i] else ["–"] for i in shown]
    rows = []
    for y in range(max(map(len, cells))):
        label = clean_line(entry.label) if y == 0 else ""
        spans: list[Span | str] = [(pad_text(f" {label}", _LABEL), "quiet")]
        for i, texts in zip(shown, cells, strict=True):
            text = texts[y] if y < len(texts) else ""
            ahead = entry.best == i and y == 0
            role = "strong" if ahead else "quiet" if not entry.cells[i] else ""
            spans += [_GAP, *pad(line((text, role), (" ◂" if ahead else "", "good")), at.width)]
        rows.append(line(*spans))
    return rows


def pad_text(text: str, room: int) -> str:
    """`text` in exactly `room` cells."""
    return "".join(part for part, _ in pad(line(text), room))
