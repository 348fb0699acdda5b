"""Reduces Textual's screen updates to the cells that changed, to save traffic over SSH.

Textual sends a whole line of a widget for one changed digit, and each segment with all of its colours. `CellDiffer`
keeps what each cell of the terminal shows and writes only cells that differ, as curses does (Arnold, "Screen Updating
and Cursor Movement Optimization", 1977).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from imgexp_tui.tui.textual_compat import (
    ChopsUpdate,
    CompositorUpdate,
    LayoutUpdate,
    cached_ansi,
    color_system,
    has_link,
)

_MAX_UNCHANGED_GAP = 4
"""Gaps of at most so many unchanged cells are sent again: an escape sequence that skips them is no shorter."""
_RESET = "\x1b[0m"

Cell = tuple[str, str]
"""The text of a cell and its colours, as parameters of SGR (ECMA-48, 8.3.117)."""

_UNKNOWN: Cell = ("", "?")


class PreparedUpdate(CompositorUpdate):
    """An update that is an escape sequence already, for Textual to send as it is."""

    def __init__(self, sequence: str) -> None:
        self._sequence = sequence

    def render_segments(self, console: Console) -> str:
        return self._sequence


class CellDiffer:
    """Keeps the content of one terminal's cells, as far as it is known, and encodes what changes in them."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []
        self._size = (0, 0)

    def invalidate(self) -> None:
        """Forget what the terminal shows, so that the next update is sent whole."""
        self._size = (0, 0)

    def encode_changes(self, update: CompositorUpdate, console: Console, size: tuple[int, int]) -> str | None:
        """Returns the escape sequence that shows `update` on a terminal of `size` (columns, lines).

        Returns None for an update of an unknown kind, which has to be sent as it is.
        """
        pieces = _positioned_strips(update)
        if pieces is None:
            self.invalidate()
            return None
        if size != self._size:
            self._rows = [[_UNKNOWN] * size[0] for _ in range(size[1])]
            self._size = size
        pen = _AnsiWriter()
        system = color_system(console)
        for y, x, strip in pieces:
            if 0 <= y < size[1]:
                self._write_strip(pen, y, x, strip, system)
        return pen.finish()

    def _write_strip(self, writer: _AnsiWriter, y: int, x: int, strip: Strip, system: ColorSystem) -> None:
        row, width = self._rows[y], self._size[0]
        for text, style, control in strip:
            if control:
                # What a control sequence draws, and where, is not known.
                writer.write_raw(y, x, text)
                row[:] = [_UNKNOWN] * width
                continue
            colours = _sgr_parameters(style, system)
            text_width = cell_len(text)
            if text_width != len(text) or has_link(style):
                # Terminals disagree on the width of such text: write it whole, and the rest of the line again.
                cells: list[Cell] = [(text, colours), *[("", colours)] * (text_width - 1)]
                if row[x : x + text_width] != cells:
                    writer.write_raw(y, x, text if style is None else Strip.render_style(style, text, system))
                    row[x:] = [*cells, *[_UNKNOWN] * (width - x - text_width)]
            else:
                new = [(char, colours) for char in text]
                if row[x : x + text_width] != new:
                    for start, end in _changed_spans(row, x, new):
                        writer.write(y, start, text[start - x : end - x], colours)
                    row[x : x + text_width] = new
            x += text_width


def _positioned_strips(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]] | None:
    """Returns line, column and strip of all that an update draws; None for an update of an unknown kind."""
    if isinstance(update, LayoutUpdate):
        return _layout_strips(update)
    return _chop_strips(update) if isinstance(update, ChopsUpdate) else None


def _layout_strips(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield y, x, strip
            x += strip.cell_length


def _chop_strips(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= last and end > first:
                yield y, x, strip


def _changed_spans(row: list[Cell], x: int, new: list[Cell]) -> Iterator[tuple[int, int]]:
    """Yields the spans of a row that differ from `new`, joined where few cells lie between."""
    start = end = -1
    for at, cell in enumerate(new, x):
        if row[at] != cell:
            if start < 0:
                start = at
            elif at - end > _MAX_UNCHANGED_GAP:
                yield start, end
                start = at
            end = at + 1
    if start >= 0:
        yield start, end


class _AnsiWriter:
    """Writes a frame with as few cursor moves and colour changes as possible."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._cursor = (-1, -1)
        self._colours: str | None = None

    def write(self, y: int, x: int, text: str, colours: str) -> None:
        """Write text whose characters take one cell each."""
        self._move_cursor(y, x)
        if colours != self._colours:
            self._out.append(_style_change(self._colours, colours))
            self._colours = colours
        self._out.append(text)
        self._cursor = (y, x + len(text))

    def write_raw(self, y: int, x: int, sequence: str) -> None:
        """Write text with its own colours, reset at its end. Afterwards the cursor's position is unknown."""
        self._cursor = (-1, -1)
        self._move_cursor(y, x)
        self._out.append(f"{'' if self._colours == '' else _RESET}{sequence}")
        self._colours, self._cursor = "", (-1, -1)

    def _move_cursor(self, y: int, x: int) -> None:
        if self._cursor == (y, x):
            return
        # After the last cell of a line a terminal's cursor is on that cell or behind it, so that relative moves are
        # safe only from elsewhere.
        if self._cursor[0] == y and 0 < x - self._cursor[1] < 100:
            self._out.append(f"\x1b[{x - self._cursor[1]}C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H")

    def finish(self) -> str:
        """Returns all that was written, with the colours reset at the end."""
        if self._colours:
            self._out.append(_RESET)
        return "".join(self._out)


def _sgr_parameters(style: Style | None, system: ColorSystem) -> str:
    if style is None:
        return ""
    # Textual's own strips use the cached parameters too.
    cached = cached_ansi(style)
    return Strip.render_ansi(style, system) if cached is None else cached


@lru_cache(maxsize=4096)
def _style_change(old: str | None, new: str) -> str:
    """Returns the SGR sequence from some colours to others; `old` is None where they are unknown."""
    if not new:
        return _RESET
    if old:
        (attributes, foreground, background), (new_attributes, fore, back) = _split_sgr(old), _split_sgr(new)
        if attributes == new_attributes:
            changed = [(fore or "39") if fore != foreground else "", (back or "49") if back != background else ""]
            return f"\x1b[{';'.join(filter(None, changed))}m"
    return f"\x1b[{'0;' if old or old is None else ''}{new}m"


@lru_cache(maxsize=4096)
def _split_sgr(colours: str) -> tuple[str, str, str]:
    """Splits SGR parameters into attributes, foreground and background."""
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    words = iter(colours.split(";"))
    for word in words:
        number = int(word or 0)
        if number in (38, 48):
            kind = next(words)
            parameters = [word, kind, *(next(words) for _ in range(1 if kind == "5" else 3))]
            parts[1 if number == 38 else 2].append(";".join(parameters))
        elif 30 <= number <= 39 or 90 <= number <= 97:
            parts[1].append(word)
        elif 40 <= number <= 49 or 100 <= number <= 107:
            parts[2].append(word)
        else:
            parts[0].append(word)
    return ";".join(parts[0]), ";".join(parts[1]), ";".join(parts[2])
