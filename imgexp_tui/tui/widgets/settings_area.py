"""A text area for `key = value` lines that completes names and values; the right arrow takes what it offers."""

from __future__ import annotations

from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.views.notes.settings_input import completion


class SettingArea(NoteArea):
    """Lines of settings. Set `completes` to False where keys are free."""

    completes = True
    marked_up = False

    def __init__(self, *, id: str, placeholder: str) -> None:
        super().__init__(id=id, placeholder=placeholder, nests=False)

    def update_suggestion(self) -> None:
        row, column = self.cursor_location
        line = self.document.get_line(row)
        self.suggestion = completion(line) if self.completes and column == len(line) else ""
