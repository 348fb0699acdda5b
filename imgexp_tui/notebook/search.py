"""Searches names, tags, commands, settings and notes for lines that hold every word of a query.

All words must be on the same line, in any order; case matters as soon as one word has a capital. The text is searched
as it is displayed, so that matches can be highlighted in it.

The lines of a notebook are joined to one lower-case text once, so that a search for a word is one call of
`str.find`. A hit is a line number until it is drawn.
"""

from __future__ import annotations

import shlex
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from imgexp_tui.notebook.diff import format_value
from imgexp_tui.notebook.model import NOTE_FIELDS, Notebook, Version
from imgexp_tui.text import clean, clean_line

NAME, TAGS, COMMAND = "name", "tags", "command"
"""Fields that a hit may be in, besides `NOTE_FIELDS` and the names of settings."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that holds every word.

    Attributes:
        field: one of `NOTE_FIELDS`, `NAME`, `TAGS`, `COMMAND`, or the name of a setting.
        line: 1-based line of the note; 1 elsewhere.
        text: the line as displayed.
        match_spans: start and end of the matches in `text`, in order, without overlap.
    """

    version: str
    field: str
    line: int
    text: str
    match_spans: tuple[tuple[int, int], ...]

    @property
    def is_in_note(self) -> bool:
        return self.field in NOTE_FIELDS


class Hits(Sequence[Hit]):
    """The hits of one search, in the notebook's order; a `Hit` is made when it is accessed."""

    def __init__(
        self, index: SearchIndex, line_numbers: Sequence[int], words: Sequence[str], *, case_sensitive: bool
    ) -> None:
        self._index, self._line_numbers, self._words, self._case_sensitive = index, line_numbers, words, case_sensitive

    def __len__(self) -> int:
        return len(self._line_numbers)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Hits: ...
    def __getitem__(self, at: int | slice) -> Hit | Hits:
        if isinstance(at, slice):
            return Hits(self._index, self._line_numbers[at], self._words, case_sensitive=self._case_sensitive)
        version, field, line, text = self._index.lines[self._line_numbers[at]]
        return Hit(
            version,
            field,
            line,
            text,
            tuple(_match_spans(text if self._case_sensitive else fold_case(text), self._words)),
        )


class SearchIndex:
    """A notebook prepared for searching. This takes some milliseconds for each 100 KB of notes.

    Attributes:
        lines: version, field, line number and text of every line.
    """

    def __init__(self, notebook: Notebook) -> None:
        self.lines = [line for version in notebook.versions.values() for line in _searchable_lines(version)]
        self._text = "\n".join(text for *_, text in self.lines)
        self._folded = fold_case(self._text)
        self._starts: list[int] = []
        at = 0
        for *_, text in self.lines:
            self._starts.append(at)
            at += len(text) + 1

    def find(self, query: str) -> Hits:
        """Returns the lines that hold every word of `query`; none if it has no word."""
        words = query_words(query)
        case_sensitive = any(word != fold_case(word) for word in words)
        text = self._text if case_sensitive else self._folded
        # The longest word is probably the rarest: only its lines are searched for the others.
        first, *other_words = sorted(words, key=len, reverse=True) or [""]
        offsets = [
            at for at in self._lines_with(text, first) if all(self._line_has(text, at, word) for word in other_words)
        ]
        return Hits(self, offsets, words, case_sensitive=case_sensitive)

    def _lines_with(self, text: str, word: str) -> Iterator[int]:
        """Yields the numbers of the lines that hold `word`."""
        at = text.find(word) if word else -1
        while at >= 0:
            line = bisect_right(self._starts, at) - 1
            yield line
            if line + 1 == len(self._starts):
                return
            at = text.find(word, self._starts[line + 1])

    def _line_has(self, text: str, line: int, word: str) -> bool:
        start = self._starts[line]
        return text.find(word, start, start + len(self.lines[line][3])) >= 0


def query_words(query: str) -> list[str]:
    """Returns the words of a query as they would be displayed, each once."""
    return list(dict.fromkeys(_normalize_unicode(clean_line(query)).split()))


def fold_case(text: str) -> str:
    """Returns `text` in lower case, with each character at the same index.

    `İ`, whose lower case has two characters, is replaced first; `ς`, a form of `σ` that depends on its position, after.
    """
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ς", "σ")


def _normalize_unicode(text: str) -> str:
    """Composes characters, so that é is one character however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _searchable_lines(version: Version) -> Iterator[tuple[str, str, int, str]]:
    yield version.name, NAME, 1, clean_line(version.name)
    if version.tags:
        yield version.name, TAGS, 1, clean_line(" ".join(version.tags))
    for field in NOTE_FIELDS:
        # Clean line by line: an unterminated escape sequence would otherwise remove line ends.
        for number, line in enumerate(getattr(version, field).split("\n"), 1):
            text = _normalize_unicode(line if line.isprintable() else clean(line.rstrip()).expandtabs(4)).rstrip()
            if text:
                yield version.name, field, number, text
    if version.command:
        yield version.name, COMMAND, 1, _normalize_unicode(clean_line(shlex.join(version.command)))
    for key, value in version.own_train.items():
        yield version.name, clean_line(key), 1, _normalize_unicode(clean_line(f"{key} = {format_value(key, value)}"))


def _match_spans(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yields where the words are in a line, with overlapping spans joined."""
    spans = sorted(span for word in words for span in _occurrences(text, word))
    start = end = 0
    for a, b in spans:
        if a > end or not end:
            if end:
                yield start, end
            start = a
        end = max(end, b)
    if end:
        yield start, end


def _occurrences(text: str, word: str) -> Iterator[tuple[int, int]]:
    at = text.find(word)
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + len(word))
