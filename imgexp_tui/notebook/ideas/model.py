"""Finds ideas in notes: check boxes such as `- [ ] try num_workers > 0`, and where ticked ones were tried.

The note is the record, so that any editor can write, tick and read an idea: a ticked one says `- [x] … (tried in v2)`,
and unticking it restores the line. The text of an idea may go on in the lines below its bullet that are indented
further; where it was tried is written after the last of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imgexp_tui.notebook.model import NOTE_FIELDS, Notebook, Version

_BULLET = re.compile(r"([ \t]*)(?:-(?!-)|[*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))")
_CHECK_BOX = re.compile(rf"{_BULLET.pattern}[ \t]*\[([ xX])\](?:[ \t]+(.*))?")
_TRIED_IN = re.compile(r"[ \t]?\(tried in ([^()\n]{1,80})\)$")
_TRAILING_SPACE = " \t\r"
"""White space after the words of a line; it is kept in place."""


@dataclass(frozen=True, slots=True)
class Idea:
    """One check box of a note.

    Attributes:
        field: the note, one of `NOTE_FIELDS`.
        line: of the note, 1-based.
        text: its words as one line, without the box and without where it was tried.
        done: whether it is ticked.
        tried_in: the version in which it was tried, as the note has it; "" if it does not say.
    """

    version: str
    field: str
    line: int
    text: str
    done: bool = False
    tried_in: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the idea when lines move and the box is ticked."""
        return self.version, self.field, self.text


def ideas_of(version: Version) -> list[Idea]:
    """Returns the ideas in the notes of a version, open and done."""
    return [
        Idea(version.name, name, item.first_line + 1, item.text, item.done, item.tried_in)
        for name in NOTE_FIELDS
        for item in _check_boxes(getattr(version, name))
    ]


def all_ideas(notebook: Notebook) -> list[Idea]:
    """Returns the ideas of every version, in the notebook's order, open and done."""
    return [idea for version in notebook.versions.values() for idea in ideas_of(version)]


def open_ideas_with_bases(notebook: Notebook, version: str) -> list[Idea]:
    """Returns the open ideas of a version and of its bases, the nearest first: candidates for a version built on it."""
    ideas: list[Idea] = []
    walked: set[str] = set()
    at = notebook.versions.get(version)
    while at and at.name not in walked:
        walked.add(at.name)
        ideas += [idea for idea in ideas_of(at) if not idea.done]
        at = notebook.versions.get(at.base or "")
    return ideas


def suggest_tried_in(notebook: Notebook, idea: Idea) -> str:
    """Returns the version in which an idea was most likely tried: the newest."""
    return next(reversed(notebook.versions), idea.version)


def find_in_note(note: str, idea: Idea) -> Idea | None:
    """Returns the same idea in a note that may have changed, ticked or not: the nearest line with its words."""
    same = [item for item in _check_boxes(note) if item.text == idea.text]
    if not same:
        return None
    item = min(same, key=lambda one: (one.done != idea.done, abs(one.first_line + 1 - idea.line)))
    return Idea(idea.version, idea.field, item.first_line + 1, item.text, item.done, item.tried_in)


def tick_in_note(note: str, ideas: Iterable[Idea], tried_in: str = "") -> str:
    """Returns `note` with its `ideas` ticked; an empty `tried_in` is left out."""
    items = {item.first_line + 1: item for item in _check_boxes(note)}
    lines = note.split("\n")
    for item in (items[idea.line] for idea in ideas):
        if not item.done:
            lines[item.first_line] = _set_tick(lines[item.first_line], "x")
            words, end = _split_trailing_space(lines[item.last_line])
            lines[item.last_line] = words + (f" (tried in {tried_in})" if tried_in else "") + end
    return "\n".join(lines)


def untick_in_note(note: str, idea: Idea) -> str:
    """Returns `note` with one of its ideas open again, without where it was tried."""
    item = next(item for item in _check_boxes(note) if item.first_line + 1 == idea.line)
    lines = note.split("\n")
    if item.done:
        words, end = _split_trailing_space(lines[item.last_line])
        lines[item.last_line] = _TRIED_IN.sub("", words) + end
        lines[item.first_line] = _set_tick(lines[item.first_line], " ")
    return "\n".join(lines)


def remove_ideas(note: str) -> str:
    """Returns `note` without the lines of its ideas."""
    idea_rows = {row for item in _check_boxes(note) for row in range(item.first_line, item.last_line + 1)}
    return "\n".join(line for row, line in enumerate(note.split("\n")) if row not in idea_rows)


@dataclass(frozen=True, slots=True)
class _CheckBox:
    """A check box in the lines of a note; its lines are 0-based, both included."""

    first_line: int
    last_line: int
    text: str
    done: bool
    tried_in: str


def _check_boxes(note: str) -> Iterator[_CheckBox]:
    """Yields the check boxes that have a text."""
    if "[" not in note:
        return
    lines = note.split("\n")
    for first, line in enumerate(lines):
        if not (box := _CHECK_BOX.fullmatch(line.rstrip(_TRAILING_SPACE))):
            continue
        last = first
        while last + 1 < len(lines) and _is_continuation(lines[last + 1], _indent(box[1])):
            last += 1
        pieces = [box[3] or "", *lines[first + 1 : last + 1]]
        words = " ".join(piece for raw in pieces if (piece := raw.strip()))
        done = box[2] != " "
        tried = _TRIED_IN.search(words) if done else None
        text = words[: tried.start()] if tried else words
        if text.strip():
            yield _CheckBox(first, last, text, done, tried[1] if tried else "")


def _is_continuation(line: str, indent: int) -> bool:
    """Whether a line belongs to the text of a bullet that is indented by `indent`."""
    return bool(line.strip()) and not _BULLET.match(line) and _indent(line) > indent


def _indent(line: str) -> int:
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip(" "))


def _split_trailing_space(line: str) -> tuple[str, str]:
    words = line.rstrip(_TRAILING_SPACE)
    return words, line[len(words) :]


def _set_tick(line: str, mark: str) -> str:
    at = line.index("[") + 1
    return line[:at] + mark + line[at + 1 :]
