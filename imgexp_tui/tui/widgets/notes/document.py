"""The document of a note's text area: keeps the text byte for byte and no control character raw.

Textual's own document breaks lines at every separator that Python knows (form feed, U+2028, …), joins them with one
kind of newline, and sends control characters to the terminal. Here a line ends at a newline only, and each character
that a terminal might obey is stored as one private-use character. That takes one cell, is drawn as a visible symbol,
and is decoded when the text is read.
"""

from __future__ import annotations

from textual.widgets.text_area import Document, EditResult, Location

from imgexp_tui.views.notes.safe_characters import decode_unsafe, encode_unsafe, newline_of


class NoteDocument(Document):
    """A note. `text` is the note as in the file; `lines` are encoded, to be laid out."""

    def __init__(self, text: str) -> None:
        self._newline = newline_of(text)
        self._lines = [encode_unsafe(line) for line in text.split(self._newline)]
        self._text: str | None = text

    @property
    def text(self) -> str:
        """The note as it would be saved. Cached until the next edit: it is read for every line that is drawn."""
        if self._text is None:
            self._text = decode_unsafe(self._newline.join(self._lines))
        return self._text

    def replace_range(self, start: Location, end: Location, text: str) -> EditResult:
        """Replace a range as Textual does, with encoded text that breaks at newlines only."""
        self._text = None
        if self._newline == "\r\n":
            text = text.replace("\r\n", "\n")
        return super().replace_range(start, end, encode_unsafe(text))
