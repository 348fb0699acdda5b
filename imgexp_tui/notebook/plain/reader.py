"""Reads plain notes, however messy: nothing of them is lost; what is not understood is kept as text, with a remark.

The shape that is read is told in `notebook.plain`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from imgexp_tui.notebook.model import VERSION_NAME
from imgexp_tui.notebook.plain.marks import (
    BULLET,
    DECORATED,
    NAMED,
    NUMBERED,
    RULE,
    SECTION,
    UNDERLINE,
    UNKNOWN,
    USUAL,
    WHITE,
    WORDS,
    ends,
    unescaped,
)

_LONGEST_BANNER = 6


@dataclass(frozen=True, slots=True)
class Remark:
    """What was read differently than it stands, or not understood: the 1-based line, the version, and what was done."""

    line: int
    version: str
    message: str


@dataclass(frozen=True, slots=True)
class PlainVersion:
    """One version of the file.

    Attributes:
        name: unique in the file.
        line: of its header.
        group: text of the banner above; "" without.
        loose: text above the header that belongs to nothing; "" mostly.
    """

    name: str
    line: int
    group: str = ""
    loose: str = ""
    summary: str = ""
    observed: str = ""
    takeaways: str = ""


@dataclass(frozen=True, slots=True)
class PlainNotes:
    """What a plain notes file says."""

    versions: tuple[PlainVersion, ...]
    remarks: tuple[Remark, ...]


def parse_plain(text: str) -> PlainNotes:
    """Read plain notes; nothing in them makes it raise."""
    return _Parser(text).notes()


@dataclass(slots=True)
class _Header:
    """A version's header: its name as written, where it begins, where its body begins, what follows the name."""

    name: str
    start: int
    body: int
    remark: str = ""


@dataclass(slots=True)
class _Note:
    """A section while it is read."""

    lines: list[str] = field(default_factory=list)
    begun: bool = False
    flipped: bool = False


class _Parser:
    def __init__(self, text: str) -> None:
        text = text.removeprefix("\ufeff")
        if text.count("\n") == text.count("\r\n"):
            text = text.replace("\r\n", "\n")
        self._lines = text.split("\n")
        self._remarks: list[Remark] = []

    def notes(self) -> PlainNotes:
        headers = list(self._headers())
        if not headers and any(line.strip(WHITE) for line in self._lines):
            self._remark(0, "", "no version was found: a name on a line of its own, and -- under it")
        names = self._unique([header.name for header in headers])
        starts = [header.start for header in headers] + [len(self._lines)]
        found: list[PlainVersion] = []
        first = headers[0].start if headers else 0
        end, group = self._above(0, first, restarts=False) if headers else (0, None)
        loose = self._loose(0, end)
        for i, header in enumerate(headers):
            following = headers[i + 1] if i + 1 < len(headers) else None
            seen = {h.name for h in headers[: i + 1]}
            group = (found[-1].group if found else "") if group is None else group
            version = PlainVersion(names[i], header.start + 1, group, loose)
            end, group = starts[i + 1], None
            if following:
                end, group = self._above(header.body, starts[i + 1], restarts=following.name in seen)
            found.append(self._version(version, header, end))
            loose = ""
        return PlainNotes(tuple(found), tuple(sorted(self._remarks, key=lambda r: r.line)))

    def _remark(self, index: int, version: str, message: str) -> None:
        self._remarks.append(Remark(index + 1, version, message))

    def _unique(self, names: list[str]) -> list[str]:
        """The names, with a number added where one comes again."""
        taken, unique = set(names), []
        for name in names:
            new, number = name, 2
            while new in unique or (new != name and new in taken):
                new, number = f"{name[:60]}-{number}", number + 1
            unique.append(new)
        return unique

    # Versions

    def _blank(self, index: int) -> bool:
        return index < 0 or index >= len(self._lines) or not self._lines[index].strip(WHITE)

    def _headers(self) -> Iterator[_Header]:
        """The version headers; a name with a rule under it but nothing of a version's is left to the banners."""
        headers = [h for i in range(len(self._lines)) if (h := self._header(i))]
        for header, following in zip_longest(headers, headers[1:]):
            end = following.start if following else len(self._lines)
            empty = all(self._blank(i) for i in range(header.body, end))
            if not (following and empty and not NUMBERED.fullmatch(header.name)):
                yield header

    def _header(self, index: int) -> _Header | None:
        """The version header whose name stands on this line, if one does."""
        line = self._lines[index].strip(WHITE)
        below = self._lines[index + 1] if index + 1 < len(self._lines) else ""
        if not line or not (self._blank(index - 1) or (USUAL.fullmatch(line) and below.startswith("-"))):
            return None
        if not UNDERLINE.fullmatch(below):
            bare = NUMBERED.fullmatch(line) and VERSION_NAME.fullmatch(line) and self._field(index + 1)
            return _Header(line, index, index + 1) if bare else None
        if SECTION.fullmatch(line):
            return None
        if VERSION_NAME.fullmatch(line) and (below.startswith("-") or NUMBERED.fullmatch(line)):
            return _Header(line, index, index + 2)
        named = NAMED.fullmatch(line)
        if named and VERSION_NAME.fullmatch(named[1]):
            return _Header(named[1], index, index + 2, named[2].strip(WHITE))
        return None

    def _above(self, start: int, end: int, *, restarts: bool) -> tuple[int, str | None]:
        """What stands between `start` and the header at `end` without its banner, and the banner's text.

        The text is None where there is no banner, and "" for a bare rule of =, which ends a group. Without any
        decoration a last paragraph is a banner only where the numbering starts again below it.
        """
        paragraphs = self._paragraphs(start, end)
        if not paragraphs:
            return end, None
        first, last = paragraphs[-1]
        lines = self._lines[first:last]
        if len(paragraphs) > 2 and len(lines) == 1 and RULE.fullmatch(lines[0]):
            (top, under), (text, over) = paragraphs[-3], paragraphs[-2]
            opened = under - top == 1 and RULE.fullmatch(self._lines[top])
            if opened and not any(BULLET.match(line) for line in self._lines[text:over]):
                first, lines = top, self._lines[top:last]
        framed = RULE.fullmatch(lines[0]) and RULE.fullmatch(lines[-1])
        if first == start > 0 or (len(lines) > _LONGEST_BANNER and not framed):
            return end, None
        marked = [bool(RULE.fullmatch(line) or DECORATED.fullmatch(line)) for line in lines]
        listed = any(BULLET.match(line) and not mark for line, mark in zip(lines, marked, strict=True))
        section = any(self._field(first + i) for i in range(len(lines)))
        if listed or section or not (any(marked) or restarts):
            return end, None
        return first, self._group(first, lines)

    def _group(self, first: int, lines: list[str]) -> str | None:
        text = "\n".join(t for line in lines if (t := _undecorated(line)))
        if text:
            self._remark(first, "", f"a banner; the versions below it are the group “{text.replace(chr(10), ' ')}”")
        elif lines[0].startswith("="):
            return ""
        else:
            self._remark(first, "", "a rule without a text; it was left out")
        return text or None

    def _paragraphs(self, start: int, end: int) -> list[tuple[int, int]]:
        """Runs of lines that are not blank: first line and the line after the last."""
        found: list[tuple[int, int]] = []
        for i in range(start, end):
            if self._blank(i):
                continue
            if found and found[-1][1] == i:
                found[-1] = (found[-1][0], i + 1)
            else:
                found.append((i, i + 1))
        return found

    def _loose(self, start: int, end: int) -> str:
        text = "\n".join(_trimmed(self._lines[start:end]))
        if text:
            self._remark(self._paragraphs(start, end)[0][0], "", "text above the first version; kept as a comment")
        return text

    # Sections

    def _field(self, index: int) -> re.Match[str] | None:
        """The section header on a line. With a text after its colon it is one only at the start of a paragraph."""
        found = SECTION.fullmatch(self._lines[index]) if index < len(self._lines) else None
        if found and ((found["rest"] or "").strip(WHITE) or found["free"] or ":" not in found[0]):
            above = self._lines[index - 1] if index else ""
            return found if self._blank(index - 1) or UNDERLINE.fullmatch(above) else None
        return found

    def _version(self, version: PlainVersion, header: _Header, end: int) -> PlainVersion:
        """`version` with the notes between its header and `end`."""
        name = version.name
        if name != header.name:
            self._remark(header.start, name, f"there is a {header.name} above; this one is called {name}")
        notes = {kind: _Note() for kind in ("", *WORDS)}
        if header.remark:
            self._remark(header.start, name, "what follows the name was kept as the first line of the summary")
            notes[""].lines.append(header.remark)
        current = ""
        i = header.body
        while i < end:
            if section := self._field(i):
                current, i = self._begin(notes, section, current, i, name)
                continue
            self._unknown(i, name, current, notes[current])
            notes[current].lines.append(self._lines[i])
            i += 1
        summary = notes["summary"]
        if loose := _trimmed(notes[""].lines):
            summary.lines = [*loose, *([""] if summary.lines else []), *summary.lines]
        texts = {kind: _text(kind, notes[kind]) for kind in WORDS}
        return replace(version, summary=texts["summary"], observed=texts["observed"], takeaways=texts["takeaways"])

    def _begin(
        self, notes: dict[str, _Note], section: re.Match[str], current: str, index: int, name: str
    ) -> tuple[str, int]:
        """Begin the section of a header; its kind and the line after. A second one of a kind goes on with the first."""
        kind = next(kind for kind in WORDS if section[kind])
        note = notes[kind]
        if note.begun:
            self._remark(index, name, f"a second {WORDS[kind]} section; kept below the first, with its header")
            if current != kind:
                note.lines = [*_trimmed(note.lines), ""]
            note.lines.append(self._lines[index])
            return kind, index + 1
        note.begun = True
        rest = section["rest"] or ""
        if remark := section["remark"] or section["free"]:
            self._remark(index, name, f"the header's remark was kept as the first line of the {kind}")
            note.lines.append(f"{remark}:")
        if rest.strip(WHITE):
            note.lines.append(rest.strip(" \t"))
        else:
            note.flipped = rest.rstrip("\r") == " "
        underlined = (
            ":" not in section[0] and index + 1 < len(self._lines) and UNDERLINE.fullmatch(self._lines[index + 1])
        )
        return kind, index + (2 if underlined else 1)

    def _unknown(self, index: int, name: str, current: str, note: _Note) -> None:
        """Remark on a line that stands in no section, or looks like the header of one that is not known."""
        if not current:
            if not self._blank(index) and not any(line.strip(WHITE) for line in note.lines):
                self._remark(index, name, "text without a section; kept in the summary")
        elif self._blank(index - 1) and UNKNOWN.fullmatch(self._lines[index]):
            self._remark(index, name, f"no section that is known; kept as text in the {current}")
        elif self._blank(index - 1) and USUAL.fullmatch(self._lines[index].strip(WHITE)):
            self._remark(index, name, f"a version's name without -- under it; kept as text in the {current}")


def _text(name: str, note: _Note) -> str:
    """The note that the lines of a section stand for."""
    lines = [unescaped(line) for line in _trimmed(note.lines)]
    if not lines:
        return ""
    return "\n".join(lines) + ("\n" if ends(name, lines) != note.flipped else "")


def _trimmed(lines: list[str]) -> list[str]:
    """The lines without blank ones at either end."""
    said = [i for i, line in enumerate(lines) if line.strip(WHITE)]
    return lines[said[0] : said[-1] + 1] if said else []


def _undecorated(line: str) -> str:
    line = line.strip(WHITE)
    if RULE.fullmatch(line):
        return ""
    if line.startswith("\\"):
        return line[1:]
    found = DECORATED.fullmatch(line)
    return (found["a"] or found["b"] or "").strip(WHITE) if found else line
