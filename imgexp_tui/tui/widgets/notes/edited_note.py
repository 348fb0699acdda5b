"""One note in the editor: its text area, the text that it was loaded with, and whether something is unsaved."""

from __future__ import annotations

from dataclasses import dataclass

from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.views.notes.bullets import next_bullet
from imgexp_tui.views.notes.safe_characters import newline_of


@dataclass(slots=True)
class EditedNote:
    """One note that is being edited, with its text area.

    Attributes:
        field: which note, one of `NOTE_FIELDS`.
        base_text: the file's text that this edit started from; saving merges against it.
        saved_text: the value of `text` while nothing is unsaved.
        has_draft: whether there may be a draft in the state folder.
        offered_text: what the area has at its end beyond the file's text: a new bullet, ready to be filled.
        trimmed_ending: what the file's text has there instead.
    """

    field: str
    area: NoteArea
    base_text: str = ""
    saved_text: str = ""
    has_draft: bool = False
    offered_text: str = ""
    trimmed_ending: str = ""

    @property
    def text(self) -> str:
        """The text to save: the area's text without an offered bullet that was not filled."""
        text = self.area.text
        return (
            text.removesuffix(self.offered_text) + self.trimmed_ending
            if self.offered_text and text.endswith(self.offered_text)
            else text
        )

    @property
    def dirty(self) -> bool:
        """Whether something is unsaved."""
        return self.text != self.saved_text

    def load(self, text: str, *, editable: bool, line: int = 0) -> None:
        """Show the file's text, with a new bullet at the end of the takeaways if they end with a list.

        Args:
            line: the line at whose end the cursor begins, 1-based; 0 for the end of the note.
        """
        bullet = next_bullet(text) if editable and self.field == "takeaways" else ""
        if bullet:
            body, newline = text.rstrip(), newline_of(text)
            self.offered_text, self.trimmed_ending = newline + bullet, text[len(body) :]
            text = body + self.offered_text
        self.area.load_text(text)
        self.area.offered_bullet = bullet
        at = self.area.line_end(line) if line else _start_location(text)
        self.area.move_cursor(at or self.area.document.end, center=bool(line))
        self.base_text = self.saved_text = self.text
        self.area.read_only = not editable


def _start_location(text: str) -> tuple[int, int] | None:
    """Returns the end of an empty bullet that ends the note, ready to be filled; None without one."""
    last = len(text.rstrip().split("\n")) - 1
    line = text.split("\n")[last].rstrip("\r")
    return (last, len(line)) if line.strip() in ("-", "*", "+") else None
