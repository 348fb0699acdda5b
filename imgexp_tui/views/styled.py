"""Styled lines of cells as plain data: what every part of the main screen is drawn from.

A line is a tuple of spans, a span is a text and a role such as "quiet" or "bad"; colours belong to the widget that
draws it. Plain tuples compare fast, so that a screen can tell which cells changed and send only those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgexp_tui.text import cell_width, truncate

Span = tuple[str, str]
Line = tuple[Span, ...]

ROLES = (
    "quiet", "strong", "title", "key", "good", "warn", "bad", "live", "train", "valid", "chance", "rest", "mark",
)  # fmt: skip
"""What a span can be; "" is plain text. Each has a colour, and none tells anything by its colour alone."""


def line(*parts: Span | str) -> Line:
    """A line of spans and plain texts; empty ones are left out."""
    spans = ((part, "") if isinstance(part, str) else part for part in parts)
    return tuple(span for span in spans if span[0])


def line_width(content: Line) -> int:
    """The cells that a line takes."""
    return sum(cell_width(text) for text, _ in content)


def truncate_line(content: Line, room: int) -> Line:
    """The line, cut to at most `room` cells, with … where something was cut off."""
    if line_width(content) <= room:
        return content
    out: list[Span] = []
    for text, role in content:
        size = cell_width(text)
        if size < room:
            out.append((text, role))
            room -= size
            continue
        # What follows does not fit either, so that this span carries the … even where it would just fit.
        out.append((truncate(text + "…", room) if size == room else truncate(text, room), role))
        break
    return line(*out)


def pad(content: Line, room: int) -> Line:
    """The line with blanks up to `room` cells; longer ones are cut."""
    short = truncate_line(content, room)
    return line(*short, " " * (room - line_width(short)))


def justify(left: Line, right: Line, room: int) -> Line:
    """`left` at the left edge and `right` at the right one; where both do not fit, `left` is cut."""
    right = truncate_line(right, room)
    gap = 2 if right and left else 0
    left = pad(left, max(0, room - line_width(right) - gap))
    return line(*left, " " * gap, *right) if line_width(left) else right


def join_lines(parts: Iterable[Line], separator: Span) -> Line:
    """The lines that say something, as one."""
    out: list[Span] = []
    for part in parts:
        if part:
            out += [separator, *part] if out else part
    return tuple(out)


def join_fitting(parts: Iterable[Line], separator: Span, room: int) -> Line:
    """As many of the lines as fit, in order of importance, as one; what does not fit is left out whole."""
    out: Line = ()
    for part in parts:
        longer = join_lines((out, part), separator)
        if line_width(longer) <= room:
            out = longer
    return out


def changed_cells(old: Line, new: Line) -> tuple[int, int] | None:
    """The first cell that differs and the one after the last that does; None where nothing does."""
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
    """The text of a line, without trailing blanks."""
    return "".join(text for text, _ in content).rstrip()


def _iterate_cells(content: Line) -> Iterator[tuple[str, str]]:
    """Character and role of every cell; a wide character's second cell is empty."""
    for text, role in content:
        if text.isascii():
            yield from ((c, role) for c in text)
            continue
        for c in text:
            size = cell_width(c)
            yield c, role
            if size != 1:
                yield from [("", role)] * (size - 1)
