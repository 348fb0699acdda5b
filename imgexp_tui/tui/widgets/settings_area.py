"""A text area for `key = value` lines that completes names and values; the right arrow accepts a completion."""

from __future__ import annotations

from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.views.notes.settings_input import completion


class SettingsArea(NoteArea):
    """Lines of settings. Set `completion_enabled` to False where any key is allowed."""

    completion_enabled = True
    highlights_markdown = False

    def __init__(self, *, id: str, placeholder: str) -> None:
        super().__init__(id=id, placeholder=placeholder, tab_indents=False)

    def update_suggestion(self) -> None:
        row, column = self.cursor_location
        line = self.document.get_line(row)
        self.suggestion = completion(line) if self.completion_enabled and column == len(line) else ""
