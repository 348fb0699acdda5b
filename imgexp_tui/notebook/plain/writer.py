"""Notes as a plain text file, in the shape that the project grew from:

    v0
    --
    Summary:
    What was tried.

    Approximate Stats:
    GPU Memory Usage: 1,985/8,126 MB

    Takeaways:
    -What was learned.

    ==============
    A second series
    ==============

    v0
    --

A banner above a version is the group of the versions that follow; a bare rule of = ends a group. What a writer adds
to a section's header, as in `Takeaways (after 10 epochs):`, becomes the first line of the note, `(after 10 epochs):`.

No character of a note changes on the way in, or on the way out and in again. For that, a line of a note that would be
taken for one of the marks above is written with a backslash before it, and a blank after a header's colon says that
the note's last line ends differently than usual (a newline ends takeaways and all notes of several lines).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.plain.marks import (
    BULLET,
    DECORATED,
    RULE,
    SECTION,
    UNDERLINE,
    USUAL,
    WHITE,
    WORDS,
    ends,
    is_mark,
)
from imgexp_tui.notebook.plain.reader import PlainNotes, PlainVersion, Remark, parse_plain

__all__ = ["PlainNotes", "PlainVersion", "Remark", "format_plain", "parse_plain"]


def format_plain(notebook: Notebook) -> str:
    """The notes of a notebook as plain text; configurations have no place in it."""
    out: list[str] = []
    group = ""
    for version in notebook.versions.values():
        if version.group != group:
            group = version.group
            out.append(_banner(group))
        notes = {name: getattr(version, name) for name in WORDS}
        sections = [_section(name, note) for name, note in notes.items() if note or name == "summary"]
        out.append("\n\n".join([f"{version.name}\n{'-' * max(2, len(version.name))}\n{sections[0]}", *sections[1:]]))
    return "\n\n\n".join(out) + "\n" if out else ""


def _banner(group: str) -> str:
    """A group's text between two rules; a bare rule where there is none."""
    lines = [line.strip(WHITE) for line in group.split("\n") if line.strip(WHITE)]
    lines = ["\\" + line if line[0] == "\\" or is_mark(line) or BULLET.match(line) else line for line in lines]
    rule = "=" * max([3, *map(len, lines)])
    return "\n".join([rule, *lines, rule]) if lines else rule


def _section(name: str, note: str) -> str:
    """A note under its header, such that reading it gives exactly the note."""
    if not note:
        return f"{WORDS[name]}:"
    lines = note.split("\n")
    ended = len(lines) > 1 and lines[-1] == ""
    if ended:
        lines.pop()
    colon = ":" if ended == ends(name, lines) else ": "
    raw = _escaped(name, lines)
    if len(raw) > 1 and re.fullmatch(r"\([^()\r]*\):", raw[0]):
        return "\n".join([f"{WORDS[name]} {raw[0][:-1]}{colon}", *raw[1:]])
    return "\n".join([f"{WORDS[name]}{colon}", *raw])


def _escaped(name: str, lines: Sequence[str]) -> list[str]:
    """The lines of a note, with a backslash before each that would be taken for something else."""
    said = [i for i, line in enumerate(lines) if line.strip(WHITE)] or [len(lines)]
    raw = ["\\" + line if not said[0] <= i <= said[-1] else line for i, line in enumerate(lines)]
    # A banner can take up three paragraphs, of which a rule that ends a group may be one.
    starts = [i for i in range(len(raw)) if raw[i].strip(WHITE) and (i == 0 or not raw[i - 1].strip(WHITE))]
    for i, line in enumerate(raw):
        above, over = (raw[i - 1] if i else ":"), (raw[i - 2] if i > 1 else ":")
        section = SECTION.fullmatch(line)
        if line.startswith("\\") and said[0] <= i <= said[-1]:
            marked = is_mark(line.lstrip("\\"))
        elif section:
            marked = not section[name] or bool(above.strip(WHITE))
        elif i >= starts[-2:][0] and (RULE.fullmatch(line) or DECORATED.fullmatch(line)):
            marked = True
        else:
            named = USUAL.fullmatch(above.strip(WHITE)) or (above.strip(WHITE) and not over.strip(WHITE))
            marked = bool(UNDERLINE.fullmatch(line) and named)
        if marked:
            raw[i] = "\\" + line
    return raw
