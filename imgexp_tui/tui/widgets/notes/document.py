"""The text of a note as a text area may hold and show it, and give back byte for byte.

Textual's own document breaks lines at every separator that Python knows (form feed, U+2028, …), joins them with one
newline, and hands control characters to the terminal. Here a line ends at a newline only, and each character that a
terminal might obey is held as one private-use character: it takes one cell, is drawn as a visible sign, and becomes
itself again when the text is read. So nothing that came from the file is shown raw, and nothing is changed.
"""

from __future__ import annotations

from textual.widgets.text_area import Document, EditResult, Location

from imgexp_tui.views.notes.safe_characters import decode_unsafe, encode_unsafe, newline_of


class NoteDocument(Document):
    """Lines of held text. `text` is what the note is; `lines` are what is laid out."""

    def __init__(self, text: str) -> None:
        self._newline = newline_of(text)
        self._lines = [encode_unsafe(line) for line in text.split(self._newline)]
        self._text: str | None = text

    @property
    def text(self) -> str:
        """The note, as it would be saved. Kept until the next edit: it is asked for at every line that is drawn."""
        if self._text is None:
            self._text = decode_unsafe(self._newline.join(self._lines))
        return self._text

    def replace_range(self, start: Location, end: Location, text: str) -> EditResult:
        """Textual's own, for text that breaks at newlines only."""
        self._text = None
        if self._newline == "\r\n":
            text = text.replace("\r\n", "\n")
        return super().replace_range(start, end, encode_unsafe(text))
