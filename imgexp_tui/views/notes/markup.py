"""What of a note's line is marked up, found by light rules a line: bullets, boxes, headings, `code`, **bold**, links.

The text itself is never touched, and no line depends on another, so that only the lines in sight cost anything.
"""

from __future__ import annotations

import re
from functools import lru_cache

Mark = tuple[int, int, str]

KINDS = ("bullet", "box", "done", "heading", "code", "bold", "update", "link")
"""What a stretch can be."""

_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_BULLET = re.compile(r"[ \t]*([*+](?=[ \t])|-(?!-)|\d{1,9}[.)](?=[ \t]))[ \t]*(\[[ xX]\](?=[ \t]|$))?")
_WITHIN = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|(?P<bold>\*\*(?=\S)[^*]+\*\*)"
    r"|(?P<update>\[UPDATE\b[^\[\]]*\]?)"
    r"|(?P<link>\bhttps?://[^\s<>()\[\]`]+)"
)
_LONGEST = 4000
"""Of a longer line only the bullet is looked for: it is no prose, and is drawn anew at every key."""


@lru_cache(maxsize=1024)
def marks(line: str) -> tuple[Mark, ...]:
    """Start, end and kind of everything that is marked up in `line`; a later one may lie within an earlier one."""
    if _HEADING.match(line):
        return ((0, len(line), "heading"), *_within(line, 0))
    found = _BULLET.match(line)
    if not found:
        return tuple(_within(line, 0))
    out: list[Mark] = [(*found.span(1), "bullet")]
    if found[2]:
        out.append((*found.span(2), "box"))
        if found[2] != "[ ]":
            out.append((found.start(2), len(line), "done"))
    return (*out, *_within(line, found.end()))


def _within(line: str, start: int) -> list[Mark]:
    if len(line) > _LONGEST:
        return []
    return [(*found.span(), found.lastgroup or "") for found in _WITHIN.finditer(line, start)]
