"""Defines styled lines, and operations on them: cut, pad, join, justify, compare.

A line is a tuple of spans, and a span is a text with a role such as "quiet" or "bad"; the widget that draws it maps
roles to colours. Tuples compare fast, so a screen can find the changed cells and send only those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgexp_tui.text import cell_width, truncate

Span = tuple[str, str]
Line = tuple[Span, ...]

ROLES = (
    "quiet", "strong", "title", "key", "good", "warn", "bad", "live", "train", "valid", "chance", "rest", "mark",
)  # fmt: skip
"""The roles of spans; "" is plain text. Each has a colour, and no information is in the colour alone."""


def line(*parts: Span | str) -> Line:
    """A line of spans and plain texts; empty ones are left out."""
    spans = ((part, "") if isinstance(part, str) else part for part in parts)
    return tuple(span for span in spans if span[0])


def line_width(content: Line) -> int:
    """The width of a line in cells."""
    return sum(cell_width(text) for text, _ in content)


def truncate_line(content: Line, room: int) -> Line:
    """The line, cut to at most `room` cells; a cut line ends in …."""
    if line_width(content) <= room:
        return content
    out: list[Span] = []
    for text, role in content:
        size = cell_width(text)
        if size < room:
            out.append((text, role))
            room -= size
            continue
        # The rest does not fit, so this span ends in … even where it would just fit.
        out.append((truncate(text + "…", room) if size == room else truncate(text, room), role))
        break
    return line(*out)


def pad(content: Line, room: int) -> Line:
    """The line padded with blanks to `room` cells; a longer line is cut."""
    short = truncate_line(content, room)
    return line(*short, " " * (room - line_width(short)))


def justify(left: Line, right: Line, room: int) -> Line:
    """`left` at the left edge and `right` at the right edge of `room` cells; where both do not fit, `left` is cut."""
    right = truncate_line(right, room)
    gap = 2 if right and left else 0
    left = pad(left, max(0, room - line_width(right) - gap))
    return line(*left, " " * gap, *right) if line_width(left) else right


def join_lines(parts: Iterable[Line], separator: Span) -> Line:
    """The lines that are not empty, joined into one."""
    out: list[Span] = []
    for part in parts:
        if part:
            out += [separator, *part] if out else part
    return tuple(out)


def join_fitting(parts: Iterable[Line], separator: Span, room: int) -> Line:
    """As many of the lines as fit `room` cells, joined into one; a line that does not fit is left out whole.

    Args:
        parts: the lines, the most important first.
    """
    out: Line = ()
    for part in parts:
        longer = join_lines((out, part), separator)
        if line_width(longer) <= room:
            out = longer
    return out


def changed_cells(old: Line, new: Line) -> tuple[int, int] | None:
    """The first cell that differs and the cell after the last that does; None for equal lines."""
    if old == new:
        return None
    a, b = list(_iterate_cells(old)), list(_iterate_cells(new))
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    end = max(len(a), len(b))
    if len(a) == len(b):
        while end > same and a[end - 1] == b[end - 1]:
            end -= 1
    return (same, end) if end > same else None


def plain_text(content: Line) -> str:
    """The text of a line without trailing blanks."""
    return "".join(text for text, _ in content).rstrip()


def _iterate_cells(content: Line) -> Iterator[tuple[str, str]]:
    """Yield character and role of every cell; the second cell of a wide character is empty."""
    for text, role in content:
        if text.isascii():
            yield from ((c, role) for c in text)
            continue
        for c in text:
            size = cell_width(c)
            yield c, role
            if size != 1:
                yield from [("", role)] * (size - 1)
