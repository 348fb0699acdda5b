"""Foreign text as markdown (CommonMark with GitHub's tables) that shows it and nothing else.

A backslash before a punctuation mark makes it plain. It is put only where the mark would mean something, so that the
page stays readable in an editor too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgexp_tui.text import clean, clean_line

_INLINE = re.compile(r"[\\`*\[<|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_BLOCK = re.compile(r"#{1,6}(?!\S)|[>=+-]|\d{1,9}[.)]")
_BULLET = re.compile(r"([ \t]*)(?:-(?!-)|[*+](?=[ \t]))[ \t]*(.*)")
_CHECKBOX = re.compile(r"(\[[ xX]\] )(.*)")


def inline(text: str) -> str:
    """One line of text, for a table's cell, a heading or the like."""
    return _INLINE.sub(lambda m: "\\" + m[0], clean_line(text))


def block(text: str) -> str:
    """A note: its bullets, in whatever manner they are written, as a list with its nesting, other lines as they are."""
    return "\n".join(_lines(clean(text).expandtabs(4).strip("\n").split("\n"))).strip("\n")


def _lines(lines: list[str]) -> Iterator[str]:
    indents: list[int] = []
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ""
        # A backslash at the end of a line keeps the break, where another line of the same paragraph follows.
        breaks = "\\" if following.strip() and not _BULLET.fullmatch(following) else ""
        if not line.strip():
            yield ""
        elif bullet := _BULLET.fullmatch(line):
            indents = [n for n in indents if n < len(bullet[1])] + [len(bullet[1])]
            yield _between(lines, i) + "  " * (len(indents) - 1) + f"- {_item(bullet[2])}".rstrip() + breaks
        else:
            if not line.startswith(" ") and i and not lines[i - 1].strip():
                indents = []
            yield "  " * len(indents) + _paragraph(line) + breaks


def _between(lines: list[str], i: int) -> str:
    """An empty line where a list follows a paragraph at once."""
    before = lines[i - 1] if i else ""
    started = any(_BULLET.fullmatch(line) for line in lines[:i])
    return "\n" if before.strip() and not started else ""


def _item(text: str) -> str:
    box = _CHECKBOX.fullmatch(text)
    return box[1] + inline(box[2]) if box else _paragraph(text)


def _paragraph(line: str) -> str:
    """A line that must not begin a heading, a quotation or a list."""
    text = inline(line)
    if begins := _BLOCK.match(text):
        at = len(begins[0]) - 1 if text[0].isdigit() else 0
        return f"{text[:at]}\\{text[at:]}"
    return text
