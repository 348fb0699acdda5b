"""Finds the markup of a note's line for highlighting: bullets, checkboxes, headings, `code`, **bold**, links.

The text is never changed, and no line depends on another, so only visible lines need to be parsed.
"""

from __future__ import annotations

import re
from functools import lru_cache

MarkupSpan = tuple[int, int, str]

MARKUP_KINDS = ("bullet", "box", "done", "heading", "code", "bold", "update", "link")
"""The kinds of spans."""

_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_BULLET = re.compile(r"[ \t]*([*+](?=[ \t])|-(?!-)|\d{1,9}[.)](?=[ \t]))[ \t]*(\[[ xX]\](?=[ \t]|$))?")
_INLINE = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|(?P<bold>\*\*(?=\S)[^*]+\*\*)"
    r"|(?P<update>\[UPDATE\b[^\[\]]*\]?)"
    r"|(?P<link>\bhttps?://[^\s<>()\[\]`]+)"
)
_MAX_INLINE_LENGTH = 4000
"""In a longer line only the bullet is found: it is no prose, and it is drawn again at every key."""


@lru_cache(maxsize=1024)
def markup_spans(line: str) -> tuple[MarkupSpan, ...]:
    """Start, end and kind of every marked-up span of `line`; a later span may lie within an earlier one."""
    if _HEADING.match(line):
        return ((0, len(line), "heading"), *_inline_spans(line, 0))
    match = _BULLET.match(line)
    if not match:
        return tuple(_inline_spans(line, 0))
    out: list[MarkupSpan] = [(*match.span(1), "bullet")]
    if match[2]:
        out.append((*match.span(2), "box"))
        if match[2] != "[ ]":
            out.append((match.start(2), len(line), "done"))
    return (*out, *_inline_spans(line, match.end()))


def _inline_spans(line: str, start: int) -> list[MarkupSpan]:
    if len(line) > _MAX_INLINE_LENGTH:
        return []
    return [(*match.span(), match.lastgroup or "") for match in _INLINE.finditer(line, start)]
