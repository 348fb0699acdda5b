"""Escapes text from users and tools for markdown (CommonMark with GitHub's extensions), so that it shows literally.

A backslash makes a punctuation mark literal. It is added only where the mark would have a meaning, so that the page
stays readable in an editor. Addresses (`http://…`, `www.…`) stay plain text too. GitHub turns mail addresses into links
in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgexp_tui.reports.note_outline import NoteLine, parse_note_lines
from imgexp_tui.text import clean_line

_INLINE_MARKS = re.compile(
    r"[\\`*<|$]"
    r"|\[(?![^\[\]\\]*\](?![(\[:]))"  # [words] alone mean nothing: the page defines no link references
    r"|~(?!\w)|(?<=\S)~"  # ~5 could only open strike-through, and every ~ that could close it is escaped
    r"|(?<![^\W_])_|_(?![^\W_])"
    r"|&(?=#?\w+;)"
    r"|:(?=//)|(?<=\b[wW]{3})\."
)
_BLOCK_MARKS = re.compile(r"#{1,6}(?!\S)|[>=+-]|\d{1,9}[.)]")


def escape_inline(text: str) -> str:
    """Returns text as one escaped line, for a table cell or a heading."""
    return _INLINE_MARKS.sub(lambda m: "\\" + m[0], clean_line(text))


def escape_block(text: str) -> str:
    """Returns a note with its bullets, in any style of writing, as a nested list, and its other lines as they are."""
    return "\n".join(_escape_lines(list(parse_note_lines(text)))).strip("\n")


def _escape_lines(lines: list[NoteLine]) -> Iterator[str]:
    listed = False
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else None
        # A backslash at the end keeps the line break before another line of the same paragraph.
        breaks = "\\" if line.text and following and following.text and not following.is_bullet else ""
        if line.is_blank:
            yield ""
        elif line.is_bullet:
            begins = "\n" if not listed and i and not lines[i - 1].is_blank else ""  # a list directly after a paragraph
            listed = True
            yield begins + "  " * (line.depth - 1) + f"- {_escape_item(line)}".rstrip() + breaks
        else:
            yield "  " * line.depth + _escape_paragraph(line.text) + breaks


def _escape_item(line: NoteLine) -> str:
    box = line.checkbox
    return f"[{'x' if box[0] else ' '}] {escape_inline(box[1])}" if box else _escape_paragraph(line.text)


def _escape_paragraph(line: str) -> str:
    """Returns a line, escaped so that it does not begin a heading, a quotation or a list."""
    text = escape_inline(line)
    if begins := _BLOCK_MARKS.match(text):
        at = len(begins[0]) - 1 if text[0].isdigit() else 0
        return f"{text[:at]}\\{text[at:]}"
    return text
