"""Wraps notes to a width in cells, with hanging indents: continuation lines of a bullet start under its text."""

from __future__ import annotations

import re

from imgexp_tui.text import cell_width, clean

_BULLET = re.compile(r"(\s*)((?:[*+](?=\s)|-(?!-)|\d{1,9}[.)](?=\s))\s*)?")
_TAB = 4


def wrap(text: str, room: int) -> list[str]:
    """The lines of a note, cleaned and wrapped to `room` cells; blank lines at both ends are removed."""
    lines = [clean_note_line(line) for line in clean(text).split("\n")]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return [piece for line in lines for piece in _wrap_line(line, max(8, room))]


def clean_note_line(line: str) -> str:
    return line.expandtabs(_TAB).rstrip()


def _wrap_line(line: str, room: int) -> list[str]:
    if cell_width(line) <= room:
        return [line]
    match = _BULLET.match(line)
    head = match[0] if match else ""
    # A deeply indented bullet would leave a narrow column, so its indentation is dropped.
    if cell_width(head) > room // 2:
        head = head.lstrip()
    hang = " " * cell_width(head)
    pieces = _break_at_blanks(line.strip()[len(head.strip()) :].lstrip(), room - len(hang))
    return [(head if i == 0 else hang) + piece for i, piece in enumerate(pieces)]


def _break_at_blanks(text: str, room: int) -> list[str]:
    """`text` broken at blanks; a word wider than `room` cells is broken anywhere."""
    out, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_width(longer) <= room:
            line = longer
            continue
        if line:
            out.append(line)
        while cell_width(word) > room:
            head = _fitting_prefix(word, room)
            out.append(head)
            word = word[len(head) :]
        line = word
    return [*out, line] if line else out


def _fitting_prefix(word: str, room: int) -> str:
    """As much of `word` as fits, at least one character."""
    used = 0
    for i, c in enumerate(word):
        used += cell_width(c)
        if used > room:
            return word[: max(1, i)]
    return word
