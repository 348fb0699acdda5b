"""Soft wrap of notes at a width, such as the text area's or a fixed 72 cells, at the same places as Textual.

It is much faster than Textual's, so that a paste of thousands of lines does not block the screen: a line that fits is
not examined further. Rare cases are left to Textual: tabs, joined emoji, words wider than the screen.
"""

from __future__ import annotations

import re

from rich.cells import get_character_cell_size
from textual.expand_tabs import get_tab_widths
from textual.widgets.text_area import Location, WrappedDocument

from imgexp_tui.tui.textual_compat import compute_wrap_offsets

_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_NEEDS_TEXTUAL = re.compile("[\t\u200d\ufe0f]")
_CHUNK = re.compile(r"\S+\s*|\s+")


class WrappedNoteDocument(WrappedDocument):
    """Holds where each line of a document breaks at a width."""

    def wrap(self, width: int, tab_width: int | None = None) -> None:
        self._width = width
        if tab_width:
            self._tab_width = tab_width
        self._wrap_offsets, self._tab_width_cache = self._wrap_lines(self.document.lines)
        self._line_index_to_offsets, self._offset_to_line_info = [], []
        self._number_rows(0)

    def wrap_range(self, start: Location, old_end: Location, new_end: Location) -> None:
        before, now = len(self._wrap_offsets) - 1, self.document.line_count - 1
        first = min(start[0], before, now)  # callers may name locations beyond the end
        top, old_bottom = sorted((first, min(old_end[0], before)))
        bottom = max(first, min(new_end[0], now))
        offsets, tabs = self._wrap_lines(self.document.lines[top : bottom + 1])
        old = self._wrap_offsets[top : old_bottom + 1]
        self._wrap_offsets[top : old_bottom + 1] = offsets
        self._tab_width_cache[top : old_bottom + 1] = tabs
        if list(map(len, old)) != list(map(len, offsets)):
            self._number_rows(top)

    @property
    def height(self) -> int:
        return len(self._offset_to_line_info)

    def _wrap_lines(self, lines: list[str]) -> tuple[list[list[int]], list[list[int]]]:
        width, tab = self._width, self._tab_width
        return [wrap_offsets(line, width, tab) for line in lines], [_tab_widths(line, tab) for line in lines]

    def _number_rows(self, first_line: int) -> None:
        """Number the wrapped rows again, from line `first_line` on."""
        y = self._line_index_to_offsets[first_line - 1][-1] + 1 if first_line else 0
        del self._line_index_to_offsets[first_line:]
        del self._offset_to_line_info[y:]
        for row in range(first_line, len(self._wrap_offsets)):
            count = len(self._wrap_offsets[row]) + 1
            self._line_index_to_offsets.append(list(range(y, y + count)))
            self._offset_to_line_info += [(row, section) for section in range(count)]
            y += count


def wrap_offsets(line: str, width: int, tab_width: int) -> list[int]:
    """Returns the columns before which `line` is broken to fit `width` cells; none for a width of 0."""
    if not width:
        return []
    if _NEEDS_TEXTUAL.search(line):
        return compute_wrap_offsets(line, width, tab_width, get_tab_widths(line, tab_width))
    if len(line) + _extra_cells(line) <= width:
        return []
    out: list[int] = []
    used = 0
    for chunk in _CHUNK.finditer(line):
        size = len(chunk[0]) + _extra_cells(chunk[0])
        if size > width:
            return compute_wrap_offsets(line, width, tab_width, None)
        if used + size > width:
            out.append(chunk.start())
            used = 0
        used += size
    return out


def _extra_cells(text: str) -> int:
    """Returns the cells that `text` takes beyond one a character: more for wide ones, fewer for combining marks."""
    return 0 if text.isascii() else sum(get_character_cell_size(c) - 1 for c in _NON_ASCII.findall(text))


def _tab_widths(line: str, tab_width: int) -> list[int]:
    return [width for _, width in get_tab_widths(line, tab_width)] if "\t" in line else [0] if line else []
