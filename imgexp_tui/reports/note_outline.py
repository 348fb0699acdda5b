"""Parses a note into lines with their nesting of bullets, in any of the styles that people write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imgexp_tui.text import clean

_BULLET = re.compile(r"([ \t]*)(?:-(?!-)|[*+](?=[ \t]))[ \t]*(.*)")
_CHECKBOX = re.compile(r"\[([ xX])\] (.*)")


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One line of a note.

    Attributes:
        depth: 0 outside of bullets, 1 for an outermost bullet and its continuation lines, and so on.
        is_bullet: whether the line begins a bullet.
        text: cleaned, without indent and bullet; "" for an empty line.
    """

    depth: int
    is_bullet: bool
    text: str

    @property
    def is_blank(self) -> bool:
        return not (self.is_bullet or self.text)

    @property
    def checkbox(self) -> tuple[bool, str] | None:
        """Whether the bullet's check box is ticked, and the text after it; None for a line without check box."""
        match = _CHECKBOX.fullmatch(self.text) if self.is_bullet else None
        return (match[1] != " ", match[2]) if match else None


def parse_note_lines(note: str) -> Iterator[NoteLine]:
    """Yields the lines of a note."""
    indents: list[int] = []
    blank = False
    for line in clean(note).expandtabs(4).strip("\n").split("\n"):
        if not line.strip():
            yield NoteLine(len(indents), is_bullet=False, text="")
        elif match := _BULLET.fullmatch(line):
            indents = [n for n in indents if n < len(match[1])] + [len(match[1])]
            yield NoteLine(len(indents), is_bullet=True, text=match[2].strip())
        else:
            if blank and not line.startswith(" "):
                indents = []
            yield NoteLine(len(indents), is_bullet=False, text=line.strip())
        blank = not line.strip()
