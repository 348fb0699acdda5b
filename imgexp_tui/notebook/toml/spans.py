"""Scans a TOML text for positions: the line of each key and the span of its value.

TOML parsers return values without positions (tomli) or rewrite what they read (tomlkit). This scanner does neither: it
finds statements and their spans, so that a problem can be reported with its line and a value be replaced in place. Its
callers check the result with tomli; it never raises, and skips what it does not understand.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

import tomli

KeyPath = tuple[str, ...]

_BARE = r"[A-Za-z0-9_-]+"
_PART = rf"""(?:{_BARE}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_PARTS = re.compile(_PART)
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_HEADER_START = re.compile(rf"(\[\[?)[ \t]*({_KEY.pattern})")
_HEADER = re.compile(rf"{_HEADER_START.pattern}[ \t]*\]\]?")
_HEADER_LINE = re.compile(rf"^[ \t]*{_HEADER.pattern}[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_STRINGS = (
    ('"""', re.compile(r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}', re.DOTALL)),
    ("'''", re.compile(r"'''(?:[^']++|'{1,2}(?!'))*+'{3,5}")),
    ('"', re.compile(r'"(?:[^"\\\n]++|\\.)*+"')),
    ("'", re.compile(r"'[^'\n]*+'")),
)
_UNQUOTED_VALUE = re.compile(r"[^,\[\]{}#\"'\r\n]+")
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class TomlEntry:
    """A table header or a key with its value.

    Attributes:
        path: the full key, with the header's.
        start, end: span of the statement, without comment and line end.
        value_span: span of the value; None for a header.
        is_inline: whether it is in an inline table.
    """

    path: KeyPath
    start: int
    end: int
    value_span: tuple[int, int] | None = None
    is_inline: bool = False


class TomlScan:
    """The entries of a text, in order, and the spans that are not statements (`broken_spans`)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.entries: list[TomlEntry] = []
        self.broken_spans: list[tuple[KeyPath, int, int]] = []
        self._newlines = [m.start() for m in re.finditer("\n", text)]
        self._table: KeyPath = ()
        position = _skip(_BLANK, text, 1 if text.startswith("\ufeff") else 0)
        while position < len(text):
            position = _skip(_BLANK, text, self._scan_statement(position))
        self._first_offset: dict[KeyPath, int] = {}
        for entry in self.entries:
            self._first_offset.setdefault(entry.path, entry.start)
        # A table that has no header of its own begins with the first key or table in it.
        within: dict[KeyPath, int] = {}
        for entry in self.entries:
            for length in range(1, len(entry.path)):
                within.setdefault(entry.path[:length], entry.start)
        self._first_offset = within | self._first_offset

    def line_at(self, offset: int) -> int:
        """Returns the 1-based line of an offset."""
        return bisect_right(self._newlines, offset - 1) + 1

    def line_of(self, path: KeyPath) -> int:
        """Returns the line of a key, or of the nearest key above it in the path that is written; 1 if none is."""
        for length in range(len(path), 0, -1):
            if (start := self._first_offset.get(path[:length])) is not None:
                return self.line_at(start)
        return 1

    def key_part_span(self, entry: TomlEntry, index: int) -> tuple[int, int] | None:
        """Returns the span of one part of an entry's path in its statement; None if the table around has it."""
        header = _HEADER_START.match(self.text, entry.start) if entry.value_span is None else None
        key = _KEY.match(self.text, header.start(2) if header else entry.start)
        if key is None:
            return None
        spans = [match.span() for match in _PARTS.finditer(self.text, *key.span())]
        at = index - (len(entry.path) - len(spans))
        return spans[at] if 0 <= at < len(spans) else None

    def _scan_statement(self, start: int) -> int:
        """Records the statement at `start` and returns its end."""
        text = self.text
        if header := _HEADER_START.match(text, start):
            # What follows a broken header still belongs to the table that it names.
            self._table = split_key(header[2])
            self.entries.append(TomlEntry(self._table, start, header.end()))
            complete_header = _HEADER.match(text, start)
            if complete_header and _LINE_END.match(text, complete_header.end()):
                return complete_header.end()
        elif key := _KEY.match(text, start):
            known = len(self.entries)
            path = self._table + split_key(key[0])
            end = self._scan_pair(path, start, key.end(), inline=False)
            if end is not None and _LINE_END.match(text, end):
                return end
            del self.entries[known:]
            return self._skip_broken(start, to_next_header=end is None or "\n" in text[start:end])
        return self._skip_broken(start, to_next_header=False)

    def _skip_broken(self, start: int, *, to_next_header: bool) -> int:
        """Skips what is not a statement: its line or, where a value is left open, everything up to the next header."""
        text = self.text
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if to_next_header and _may_open_value(text[start:end]):
            following = _HEADER_LINE.search(text, end)
            end = following.start() if following else len(text)
        self.broken_spans.append((self._table, start, end))
        return end

    def _scan_pair(self, path: KeyPath, start: int, position: int, *, inline: bool) -> int | None:
        """Records `= value` of a key that ends at `position`. Returns the value's end; None if it has none."""
        if not (equals := _EQUALS.match(self.text, position)):
            return None
        index = len(self.entries)
        end = self._scan_value(path, equals.end())
        if end is not None:
            self.entries.insert(index, TomlEntry(path, start, end, (equals.end(), end), inline))
        return end

    def _scan_value(self, path: KeyPath, start: int, depth: int = 0) -> int | None:
        """Returns the end of the value that begins at `start`; None if it is incomplete."""
        text = self.text
        for quote, string in _STRINGS:
            if text.startswith(quote, start):
                match = string.match(text, start)
                return match.end() if match else None
        opened = text[start : start + 1]
        if opened in ("[", "{") and depth < _MAX_DEPTH:
            return self._scan_items(path, start + 1, "]" if opened == "[" else "}", depth + 1)
        plain = _UNQUOTED_VALUE.match(text, start)
        return start + len(plain[0].rstrip()) if plain and plain[0].strip() else None

    def _scan_items(self, path: KeyPath, position: int, close: str, depth: int) -> int | None:
        """Returns the end of the array or inline table whose first item begins at `position`."""
        text = self.text
        while True:
            position = _skip(_BLANK, text, position)
            if text.startswith(close, position):
                return position + 1
            if text.startswith(",", position):
                position += 1
                continue
            end: int | None = None
            if close == "]":
                end = self._scan_value(path, position, depth)
            elif key := _KEY.match(text, position):
                end = self._scan_pair(path + split_key(key[0]), position, key.end(), inline=True)
            if end is None:
                return None
            position = end


def split_key(key: str) -> KeyPath:
    """Splits a dotted key into its parts, unquoted."""
    return tuple(_unquote(part) for part in _PARTS.findall(key))


def join_key(path: KeyPath) -> str:
    """Formats a dotted key for people: parts are quoted where TOML needs it."""
    return ".".join(p if re.fullmatch(_BARE, p) else f'"{p}"' for p in path)


def _unquote(part: str) -> str:
    if part[0] not in "\"'":
        return part
    if part[0] == '"' and "\\" in part:
        try:
            return next(iter(tomli.loads(f"{part} = 0")))
        except (tomli.TOMLDecodeError, StopIteration):
            pass
    return part[1:-1]


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _may_open_value(line: str) -> bool:
    """Whether a value may have been left open on this line."""
    _, _, value = line.partition("=")
    return value.lstrip().startswith(("'''", '"""', "[", "{"))
