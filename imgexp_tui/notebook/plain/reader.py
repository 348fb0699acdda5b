"""Parses plain-text notes, however messy. Nothing is lost: what is not understood is kept as text, with a remark.

The format is described in `notebook.plain.writer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from imgexp_tui.notebook.model import VERSION_NAME
from imgexp_tui.notebook.plain.marks import (
    BULLET,
    DECORATED_LINE,
    NAME_WITH_REMARK,
    NUMBERED_NAME,
    RULE,
    SECTION_HEADER,
    SECTION_TITLES,
    UNDERLINE,
    UNKNOWN_HEADER,
    V_NUMBER_NAME,
    WHITESPACE,
    ends_with_newline,
    unescape,
)

_MAX_BANNER_LINES = 6


@dataclass(frozen=True, slots=True)
class ImportRemark:
    """What was interpreted or not understood: the 1-based line, the version, and what was done."""

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
        unassigned_text: text above the header that belongs to no version; mostly "".
    """

    name: str
    line: int
    group: str = ""
    unassigned_text: str = ""
    summary: str = ""
    observed: str = ""
    takeaways: str = ""


@dataclass(frozen=True, slots=True)
class PlainNotes:
    """The contents of a plain notes file."""

    versions: tuple[PlainVersion, ...]
    remarks: tuple[ImportRemark, ...]


def parse_plain(text: str) -> PlainNotes:
    """Parses plain notes. Never raises because of their contents."""
    return _PlainNotesParser(text).parse()


@dataclass(slots=True)
class _Header:
    """A version's header: the name as written, its first line, the first line of its body, what follows the name."""

    name: str
    start: int
    body: int
    remark: str = ""


@dataclass(slots=True)
class _Section:
    """A section while it is parsed."""

    lines: list[str] = field(default_factory=list)
    started: bool = False
    unusual_ending: bool = False


class _PlainNotesParser:
    def __init__(self, text: str) -> None:
        text = text.removeprefix("\ufeff")
        if text.count("\n") == text.count("\r\n"):
            text = text.replace("\r\n", "\n")
        self._lines = text.split("\n")
        self._remarks: list[ImportRemark] = []

    def parse(self) -> PlainNotes:
        headers = list(self._find_headers())
        if not headers and any(line.strip(WHITESPACE) for line in self._lines):
            self._add_remark(0, "", "no version was found: a name on a line of its own, and -- under it")
        names = self._unique_names([header.name for header in headers])
        starts = [header.start for header in headers] + [len(self._lines)]
        versions: list[PlainVersion] = []
        first = headers[0].start if headers else 0
        end, group = self._split_off_banner(0, first, numbering_restarts=False) if headers else (0, None)
        loose = self._unassigned_text(0, end)
        for i, header in enumerate(headers):
            following = headers[i + 1] if i + 1 < len(headers) else None
            names_so_far = {h.name for h in headers[: i + 1]}
            group = (versions[-1].group if versions else "") if group is None else group
            version = PlainVersion(names[i], header.start + 1, group, loose)
            end, group = starts[i + 1], None
            if following:
                end, group = self._split_off_banner(
                    header.body, starts[i + 1], numbering_restarts=following.name in names_so_far
                )
            versions.append(self._read_sections(version, header, end))
            loose = ""
        return PlainNotes(tuple(versions), tuple(sorted(self._remarks, key=lambda r: r.line)))

    def _add_remark(self, index: int, version: str, message: str) -> None:
        self._remarks.append(ImportRemark(index + 1, version, message))

    def _unique_names(self, names: list[str]) -> list[str]:
        """Returns the names, with a number added to repeated ones."""
        used, unique = set(names), []
        for name in names:
            new, number = name, 2
            while new in unique or (new != name and new in used):
                new, number = f"{name[:60]}-{number}", number + 1
            unique.append(new)
        return unique

    # Versions

    def _is_blank(self, index: int) -> bool:
        return index < 0 or index >= len(self._lines) or not self._lines[index].strip(WHITESPACE)

    def _find_headers(self) -> Iterator[_Header]:
        """Yields the version headers; a name with a rule under it but no body is left to the banners."""
        headers = [h for i in range(len(self._lines)) if (h := self._header_at(i))]
        for header, following in zip_longest(headers, headers[1:]):
            end = following.start if following else len(self._lines)
            empty = all(self._is_blank(i) for i in range(header.body, end))
            if not (following and empty and not NUMBERED_NAME.fullmatch(header.name)):
                yield header

    def _header_at(self, index: int) -> _Header | None:
        """Returns the version header whose name is on this line, if there is one."""
        line = self._lines[index].strip(WHITESPACE)
        below = self._lines[index + 1] if index + 1 < len(self._lines) else ""
        if not line or not (self._is_blank(index - 1) or (V_NUMBER_NAME.fullmatch(line) and below.startswith("-"))):
            return None
        if not UNDERLINE.fullmatch(below):
            bare = NUMBERED_NAME.fullmatch(line) and VERSION_NAME.fullmatch(line) and self._section_header_at(index + 1)
            return _Header(line, index, index + 1) if bare else None
        if SECTION_HEADER.fullmatch(line):
            return None
        if VERSION_NAME.fullmatch(line) and (below.startswith("-") or NUMBERED_NAME.fullmatch(line)):
            return _Header(line, index, index + 2)
        named = NAME_WITH_REMARK.fullmatch(line)
        if named and VERSION_NAME.fullmatch(named[1]):
            return _Header(named[1], index, index + 2, named[2].strip(WHITESPACE))
        return None

    def _split_off_banner(self, start: int, end: int, *, numbering_restarts: bool) -> tuple[int, str | None]:
        """Returns the end of the text between `start` and the header at `end`, banner excluded, and the banner's text.

        The text is None without a banner, and "" for a bare rule of =, which ends a group. Without any decoration the
        last paragraph is a banner only if the numbering starts again below it.
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
        if first == start > 0 or (len(lines) > _MAX_BANNER_LINES and not framed):
            return end, None
        marked = [bool(RULE.fullmatch(line) or DECORATED_LINE.fullmatch(line)) for line in lines]
        listed = any(BULLET.match(line) and not mark for line, mark in zip(lines, marked, strict=True))
        section = any(self._section_header_at(first + i) for i in range(len(lines)))
        if listed or section or not (any(marked) or numbering_restarts):
            return end, None
        return first, self._group_text(first, lines)

    def _group_text(self, first: int, lines: list[str]) -> str | None:
        text = "\n".join(t for line in lines if (t := _strip_decoration(line)))
        if text:
            self._add_remark(first, "", f"a banner; the versions below it are the group “{text.replace(chr(10), ' ')}”")
        elif lines[0].startswith("="):
            return ""
        else:
            self._add_remark(first, "", "a rule without a text; it was left out")
        return text or None

    def _paragraphs(self, start: int, end: int) -> list[tuple[int, int]]:
        """Returns blocks of lines that are not blank: first line and the line after the last."""
        paragraphs: list[tuple[int, int]] = []
        for i in range(start, end):
            if self._is_blank(i):
                continue
            if paragraphs and paragraphs[-1][1] == i:
                paragraphs[-1] = (paragraphs[-1][0], i + 1)
            else:
                paragraphs.append((i, i + 1))
        return paragraphs

    def _unassigned_text(self, start: int, end: int) -> str:
        text = "\n".join(_strip_blank_lines(self._lines[start:end]))
        if text:
            self._add_remark(self._paragraphs(start, end)[0][0], "", "text above the first version; kept as a comment")
        return text

    # Sections

    def _section_header_at(self, index: int) -> re.Match[str] | None:
        """Returns the section header on a line. With text after its colon it must be at the start of a paragraph."""
        header = SECTION_HEADER.fullmatch(self._lines[index]) if index < len(self._lines) else None
        if header and ((header["rest"] or "").strip(WHITESPACE) or header["free"] or ":" not in header[0]):
            above = self._lines[index - 1] if index else ""
            return header if self._is_blank(index - 1) or UNDERLINE.fullmatch(above) else None
        return header

    def _read_sections(self, version: PlainVersion, header: _Header, end: int) -> PlainVersion:
        """Returns `version` with the notes between its header and `end`."""
        name = version.name
        if name != header.name:
            self._add_remark(header.start, name, f"there is a {header.name} above; this one is called {name}")
        notes = {kind: _Section() for kind in ("", *SECTION_TITLES)}
        if header.remark:
            self._add_remark(header.start, name, "what follows the name was kept as the first line of the summary")
            notes[""].lines.append(header.remark)
        current = ""
        i = header.body
        while i < end:
            if section := self._section_header_at(i):
                current, i = self._begin_section(notes, section, current, i, name)
                continue
            self._remark_on_unknown(i, name, current, notes[current])
            notes[current].lines.append(self._lines[i])
            i += 1
        summary = notes["summary"]
        if loose := _strip_blank_lines(notes[""].lines):
            summary.lines = [*loose, *([""] if summary.lines else []), *summary.lines]
        texts = {kind: _section_text(kind, notes[kind]) for kind in SECTION_TITLES}
        return replace(version, summary=texts["summary"], observed=texts["observed"], takeaways=texts["takeaways"])

    def _begin_section(
        self, sections: dict[str, _Section], header: re.Match[str], current: str, index: int, name: str
    ) -> tuple[str, int]:
        """Begins a section. Returns its kind and the next line. A second one of a kind continues the first."""
        kind = next(kind for kind in SECTION_TITLES if header[kind])
        note = sections[kind]
        if note.started:
            self._add_remark(
                index, name, f"a second {SECTION_TITLES[kind]} section; kept below the first, with its header"
            )
            if current != kind:
                note.lines = [*_strip_blank_lines(note.lines), ""]
            note.lines.append(self._lines[index])
            return kind, index + 1
        note.started = True
        rest = header["rest"] or ""
        if remark := header["remark"] or header["free"]:
            self._add_remark(index, name, f"the header's remark was kept as the first line of the {kind}")
            note.lines.append(f"{remark}:")
        if rest.strip(WHITESPACE):
            note.lines.append(rest.strip(" \t"))
        else:
            note.unusual_ending = rest.rstrip("\r") == " "
        underlined = (
            ":" not in header[0] and index + 1 < len(self._lines) and UNDERLINE.fullmatch(self._lines[index + 1])
        )
        return kind, index + (2 if underlined else 1)

    def _remark_on_unknown(self, index: int, name: str, current: str, section: _Section) -> None:
        """Adds a remark on a line that is in no section, or looks like an unknown section header."""
        if not current:
            if not self._is_blank(index) and not any(line.strip(WHITESPACE) for line in section.lines):
                self._add_remark(index, name, "text without a section; kept in the summary")
        elif self._is_blank(index - 1) and UNKNOWN_HEADER.fullmatch(self._lines[index]):
            self._add_remark(index, name, f"no section that is known; kept as text in the {current}")
        elif self._is_blank(index - 1) and V_NUMBER_NAME.fullmatch(self._lines[index].strip(WHITESPACE)):
            self._add_remark(index, name, f"a version's name without -- under it; kept as text in the {current}")


def _section_text(name: str, section: _Section) -> str:
    """Returns the note that a section's lines stand for."""
    lines = [unescape(line) for line in _strip_blank_lines(section.lines)]
    if not lines:
        return ""
    return "\n".join(lines) + ("\n" if ends_with_newline(name, lines) != section.unusual_ending else "")


def _strip_blank_lines(lines: list[str]) -> list[str]:
    """Returns the lines without blank ones at either end."""
    filled = [i for i, line in enumerate(lines) if line.strip(WHITESPACE)]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _strip_decoration(line: str) -> str:
    line = line.strip(WHITESPACE)
    if RULE.fullmatch(line):
        return ""
    if line.startswith("\\"):
        return line[1:]
    match = DECORATED_LINE.fullmatch(line)
    return (match["a"] or match["b"] or "").strip(WHITESPACE) if match else line
