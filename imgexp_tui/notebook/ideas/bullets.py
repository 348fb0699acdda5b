"""Appends bullets to a note, in the style of its author: `- text`, `-text`, `* text`."""

from __future__ import annotations

import re

_BULLET = re.compile(r"([-*+])([ \t]*)(.*)")


def append_bullet(note: str, text: str) -> str:
    """Returns `note` with one more top-level bullet, in the style of the last one.

    An empty bullet at the end, which stands for "nothing yet", is filled. Everything else is kept.
    """
    body = note.rstrip()
    ending = note[len(body) :] or ("\n" if not body else "")
    lines = body.split("\n") if body else []
    empty = lines.pop() if lines and lines[-1] in ("-", "*", "+") else None
    bullets = [m for line in lines if (m := _BULLET.fullmatch(line)) and m[3]]
    mark, blank = (bullets[-1][1], bullets[-1][2]) if bullets else (empty or "-", " ")
    indented = text.strip().replace("\n", "\n" + " " * len(mark + blank))
    return "\n".join([*lines, f"{mark}{blank}{indented}"]) + ending
