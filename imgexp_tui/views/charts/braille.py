"""Plots curves in cells of braille dots: the one canvas on which every curve of the app is drawn.

A cell holds two dots across and four up. No extreme is lost: a column of dots spans everything between the lowest and
the highest value that fall into it, and a straight line crosses columns without a value. A cell has one colour, so
where two layers meet in a cell, only the dots of the front layer are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.views.styled import Line, Span

_BRAILLE = 0x2800
# Bits of a braille cell's dots, from the bottom up, left and right column (Unicode, "Braille Patterns").
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_STROKES = tuple(tuple(tuple(sum(dots[bottom : top + 1]) for top in range(4)) for bottom in range(4)) for dots in _DOTS)
"""Side of the cell, lowest dot, highest dot → bits of a vertical stroke between the two."""
_CHARACTERS = tuple(chr(_BRAILLE + code) for code in range(256))
FAINT_LAYER, FRONT_LAYER = 1, 2
"""Dots of the front layer hide faint ones of the same cell."""

RowExtents = dict[int, tuple[int, int]]
"""Cell from the left → the highest and the lowest row, from the top, that a curve takes there."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve as columns of dots, heights in dots from the bottom; nan where a column has no value.

    Attributes:
        low, high: lowest and highest point of each column.
        non_finite: whether a column has a value that is not finite; no line crosses it.
        point_before, point_after: column and height of the nearest point beyond each end, towards which the line is
            drawn.
    """

    low: Sequence[float]
    high: Sequence[float]
    non_finite: Sequence[bool]
    point_before: tuple[float, float] | None = None
    point_after: tuple[float, float] | None = None


class Canvas:
    """A drawing area of `width` by `height` cells.

    Args:
        blank_role: role of cells in which nothing is drawn; None gives them the role of the span to their left, which
            makes fewer spans.
    """

    def __init__(self, width: int, height: int, *, blank_role: str | None = None) -> None:
        self.width, self.height = width, height
        self._blank_role = blank_role
        self._codes = [[0] * width for _ in range(height)]
        self._layers = [[0] * width for _ in range(height)]
        self._roles = [[""] * width for _ in range(height)]
        self._signs: dict[tuple[int, int], Span] = {}
        self._background: dict[tuple[int, int], Span] = {}

    def draw_curve(self, trace: Trace, role: str, layer: int = FRONT_LAYER) -> RowExtents:
        """Draw a curve, and return the rows that it takes in each cell."""
        rows: RowExtents = {}
        before = (
            None
            if trace.point_before is None
            else (trace.point_before[0], trace.point_before[1], trace.point_before[1])
        )
        for x, (low, high) in enumerate(zip(trace.low, trace.high, strict=True)):
            if math.isnan(low):
                before = None if trace.non_finite[x] else before
                continue
            bottom, top = low, high
            if before and x - before[0] > 1:
                middle = (low + high) / 2
                edge = self._draw_segment((before[0], (before[1] + before[2]) / 2), (x, middle), role, layer, rows)
                bottom, top = min(low, edge), max(high, edge)
            elif before:  # reach out to the column before, so that the line stays connected
                bottom, top = min(low, before[2] + 1), max(high, before[1] - 1)
            self._draw_column(x, bottom, top, role, layer, rows)
            before = None if trace.non_finite[x] else (x, low, high)
        if before and trace.point_after:
            self._draw_segment((before[0], (before[1] + before[2]) / 2), trace.point_after, role, layer, rows)
        return rows

    def _draw_segment(
        self, a: tuple[float, float], b: tuple[float, float], role: str, layer: int, rows: RowExtents
    ) -> float:
        """Draw the columns between two points, and return the height at which the last of them ends."""
        slope = (b[1] - a[1]) / (b[0] - a[0])
        edge = a[1]
        for x in range(max(0, math.floor(a[0]) + 1), min(2 * self.width, math.ceil(b[0]))):
            begin, edge = (a[1] + slope * (max(a[0], min(b[0], x + side)) - a[0]) for side in (-0.5, 0.5))
            self._draw_column(x, min(begin, edge), max(begin, edge), role, layer, rows)
        return edge

    def _draw_column(self, x: int, low: float, high: float, role: str, layer: int, rows: RowExtents) -> None:
        # Comparisons instead of min and max: there is a column for every dot of the width.
        bottom, top, last = round(low), round(high), self.height - 1
        if bottom < 0:
            bottom = 0
        if top > 4 * last + 3:
            top = 4 * last + 3
        if bottom > top or x >= 2 * self.width:
            return
        cell, strokes = x // 2, _STROKES[x % 2]
        upper, lower = last - top // 4, last - bottom // 4
        if upper == lower:
            self._add_dots(upper, cell, strokes[bottom % 4][top % 4], role, layer)
        else:
            self._add_dots(upper, cell, strokes[0][top % 4], role, layer)
            for row in range(upper + 1, lower):
                self._add_dots(row, cell, strokes[0][3], role, layer)
            self._add_dots(lower, cell, strokes[bottom % 4][3], role, layer)
        extent = rows.get(cell)
        if extent is None:
            rows[cell] = (upper, lower)
        elif upper < extent[0] or lower > extent[1]:
            rows[cell] = (min(extent[0], upper), max(extent[1], lower))

    def _add_dots(self, row: int, cell: int, dots: int, role: str, layer: int) -> None:
        current = self._layers[row][cell]
        if current == layer:
            self._codes[row][cell] |= dots
        elif current < layer:
            self._layers[row][cell], self._codes[row][cell], self._roles[row][cell] = layer, dots, role

    def draw_band(self, low: Sequence[float], high: Sequence[float], role: str) -> None:
        """Draw a faint area between two heights in each column: its edges and every fourth dot between them."""
        for x, (a, b) in enumerate(zip(low, high, strict=True)):
            if math.isnan(a) or math.isnan(b):
                continue
            bottom, top = max(0, round(a)), min(4 * self.height - 1, round(b))
            for y in range(bottom, top + 1):
                if y in (bottom, top) or (x + 2 * y) % 4 == 0:
                    self._add_dots(self.height - 1 - y // 4, x // 2, _DOTS[x % 2][y % 4], role, FAINT_LAYER)

    def draw_vertical_line(self, cell: int, sign: str, role: str) -> None:
        """Draw a line from top to bottom behind the curves."""
        if 0 <= cell < self.width:
            for row in range(self.height):
                self._background[row, cell] = (sign, role)

    def draw_horizontal_line(self, height: float, role: str) -> None:
        """Draw a dotted line from left to right behind the curves and behind vertical lines drawn before it."""
        if 0 <= round(height) <= 4 * self.height - 1:
            y = round(height)
            for cell in range(self.width):
                self._background.setdefault((self.height - 1 - y // 4, cell), (chr(_BRAILLE + _DOTS[0][y % 4]), role))

    def row_of(self, height: float) -> int:
        """The row, from the top, of a height in dots."""
        return self.height - 1 - min(4 * self.height - 1, max(0, round(height))) // 4

    def draw_sign(self, cell: int, row: int, sign: str, role: str, *, behind_curves: bool = False) -> None:
        """Draw a character over everything, or behind the curves and over the lines."""
        if 0 <= cell < self.width and 0 <= row < self.height:
            (self._background if behind_curves else self._signs)[row, cell] = (sign, role)

    def to_lines(self) -> list[Line]:
        """The drawing as one line per row; neighbouring cells of one role share a span."""
        return [self._row_line(row) for row in range(self.height)]

    def _row_line(self, row: int) -> Line:
        spans: list[Span] = []
        signs, background, roles, blank_role = self._signs, self._background, self._roles[row], self._blank_role
        span_text, span_role = "", ""
        for cell, code in enumerate(self._codes[row]):
            if signs and (row, cell) in signs:
                text, role = signs[row, cell]
            elif code:
                text, role = _CHARACTERS[code], roles[cell]
            elif background and (row, cell) in background:
                text, role = background[row, cell]
            else:
                text, role = " ", span_role if blank_role is None else blank_role
            if role == span_role:
                span_text += text
            else:
                if span_text:
                    spans.append((span_text, span_role))
                span_text, span_role = text, role
        if span_text:
            spans.append((span_text, span_role))
        return tuple(spans)
