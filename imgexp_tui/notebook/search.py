"""Search over everything that is noted and configured: which lines hold all of the words that were typed.

All words must stand on the same line, in any order; capitals count as soon as one is typed. What is searched is the
text as it is shown, so that a hit's place can be marked in it.

The lines of a notebook are joined to one lower-case text once, in which looking for a word is one call of the standard
library's substring search; hits are lines of that text by number, and are made into more only when they are drawn.
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
"""Where a hit may be, beside `FIELDS` and the names of settings."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that holds every word.

    Attributes:
        field: one of `FIELDS`, `NAME`, `TAGS`, `COMMAND`, or the name of a setting.
        line: 1-based, in the note; 1 elsewhere.
        text: the line as it may be shown.
        match_spans: where the words stand in it, in order, none within another.
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
    """The hits of one search, in the notebook's order; each is made when it is asked for."""

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
        version, where, line, text = self._index.lines[self._line_numbers[at]]
        return Hit(
            version,
            where,
            line,
            text,
            tuple(_match_spans(text if self._case_sensitive else fold_case(text), self._words)),
        )


class SearchIndex:
    """A notebook made ready to be searched. Making it takes some milliseconds for each 100 KB of notes.

    Attributes:
        lines: version, where, number and text of every line.
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
        """The lines that hold every word of `query`; none where it has no word."""
        words = query_words(query)
        exact = any(word != fold_case(word) for word in words)
        text = self._text if exact else self._folded
        # The longest word is likely the rarest: the others are looked for on its lines only.
        first, *others = sorted(words, key=len, reverse=True) or [""]
        found = [at for at in self._lines_with(text, first) if all(self._line_has(text, at, word) for word in others)]
        return Hits(self, found, words, case_sensitive=exact)

    def _lines_with(self, text: str, word: str) -> Iterator[int]:
        """The numbers of the lines that hold `word`."""
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
    """The words that are looked for: as they would be shown, each once."""
    return list(dict.fromkeys(_normalize_unicode(clean_line(query)).split()))


def fold_case(text: str) -> str:
    """`text` in lower case, each character in its place.

    The one sign that would become two is replaced before, and after it an s that its place in a word changes.
    """
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ς", "σ")


def _normalize_unicode(text: str) -> str:
    """An é is one character, however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _searchable_lines(version: Version) -> Iterator[tuple[str, str, int, str]]:
    yield version.name, NAME, 1, clean_line(version.name)
    if version.tags:
        yield version.name, TAGS, 1, clean_line(" ".join(version.tags))
    for where in NOTE_FIELDS:
        # Cleaned line by line: an escape sequence that is left open would swallow line ends.
        for number, line in enumerate(getattr(version, where).split("\n"), 1):
            text = _normalize_unicode(line if line.isprintable() else clean(line.rstrip()).expandtabs(4)).rstrip()
            if text:
                yield version.name, where, number, text
    if version.command:
        yield version.name, COMMAND, 1, _normalize_unicode(clean_line(shlex.join(version.command)))
    for key, value in version.own_train.items():
        yield version.name, clean_line(key), 1, _normalize_unicode(clean_line(f"{key} = {format_value(key, value)}"))


def _match_spans(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the words stand in a line; places that overlap are one."""
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
