"""Writes notes as plain text, in the format of a researcher's own text file.

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

A banner above a version names the group of the versions that follow; a bare rule of = ends a group. An addition to a
section's header, as in `Takeaways (after 10 epochs):`, becomes the first line of the note, `(after 10 epochs):`.

Notes are imported, and exported and imported again, without a changed character. For that, a line of a note that looks
like one of the marks above is written with a backslash before it, and a blank after a header's colon means that the
note's last line ends differently than usual (takeaways and all notes of several lines end with a newline).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.plain.marks import (
    BULLET,
    DECORATED_LINE,
    RULE,
    SECTION_HEADER,
    SECTION_TITLES,
    UNDERLINE,
    V_NUMBER_NAME,
    WHITESPACE,
    could_be_mark,
    ends_with_newline,
)
from imgexp_tui.notebook.plain.reader import ImportRemark, PlainNotes, PlainVersion, parse_plain

__all__ = ["ImportRemark", "PlainNotes", "PlainVersion", "format_plain", "parse_plain"]


def format_plain(notebook: Notebook) -> str:
    """Formats the notes of a notebook as plain text, without settings."""
    out: list[str] = []
    group = ""
    for version in notebook.versions.values():
        if version.group != group:
            group = version.group
            out.append(_format_banner(group))
        notes = {name: getattr(version, name) for name in SECTION_TITLES}
        sections = [_format_section(name, note) for name, note in notes.items() if note or name == "summary"]
        out.append("\n\n".join([f"{version.name}\n{'-' * max(2, len(version.name))}\n{sections[0]}", *sections[1:]]))
    return "\n\n\n".join(out) + "\n" if out else ""


def _format_banner(group: str) -> str:
    """Formats a group's text between two rules; a bare rule without one."""
    lines = [line.strip(WHITESPACE) for line in group.split("\n") if line.strip(WHITESPACE)]
    lines = ["\\" + line if line[0] == "\\" or could_be_mark(line) or BULLET.match(line) else line for line in lines]
    rule = "=" * max([3, *map(len, lines)])
    return "\n".join([rule, *lines, rule]) if lines else rule


def _format_section(name: str, note: str) -> str:
    """Formats a note under its header, such that parsing it returns exactly the note."""
    if not note:
        return f"{SECTION_TITLES[name]}:"
    lines = note.split("\n")
    ended = len(lines) > 1 and lines[-1] == ""
    if ended:
        lines.pop()
    colon = ":" if ended == ends_with_newline(name, lines) else ": "
    raw = _escape_lines(name, lines)
    if len(raw) > 1 and re.fullmatch(r"\([^()\r]*\):", raw[0]):
        return "\n".join([f"{SECTION_TITLES[name]} {raw[0][:-1]}{colon}", *raw[1:]])
    return "\n".join([f"{SECTION_TITLES[name]}{colon}", *raw])


def _escape_lines(name: str, lines: Sequence[str]) -> list[str]:
    """Returns the lines of a note, with a backslash before each that would be taken for a mark."""
    filled = [i for i, line in enumerate(lines) if line.strip(WHITESPACE)] or [len(lines)]
    raw = ["\\" + line if not filled[0] <= i <= filled[-1] else line for i, line in enumerate(lines)]
    # A banner can take up three paragraphs, of which a rule that ends a group may be one.
    starts = [i for i in range(len(raw)) if raw[i].strip(WHITESPACE) and (i == 0 or not raw[i - 1].strip(WHITESPACE))]
    for i, line in enumerate(raw):
        above, over = (raw[i - 1] if i else ":"), (raw[i - 2] if i > 1 else ":")
        section = SECTION_HEADER.fullmatch(line)
        if line.startswith("\\") and filled[0] <= i <= filled[-1]:
            marked = could_be_mark(line.lstrip("\\"))
        elif section:
            marked = not section[name] or bool(above.strip(WHITESPACE))
        elif i >= starts[-2:][0] and (RULE.fullmatch(line) or DECORATED_LINE.fullmatch(line)):
            marked = True
        else:
            named = V_NUMBER_NAME.fullmatch(above.strip(WHITESPACE)) or (
                above.strip(WHITESPACE) and not over.strip(WHITESPACE)
            )
            marked = bool(UNDERLINE.fullmatch(line) and named)
        if marked:
            raw[i] = "\\" + line
    return raw
