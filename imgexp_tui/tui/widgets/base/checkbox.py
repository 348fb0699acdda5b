"""A check box whose state shows without colours; Textual's own draws the same X whether it is on or off."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox


class BracketCheckbox(Checkbox):
    """`[x]` when on, `[ ]` when off."""

    @property
    def _button(self) -> Content:
        return Content("[x]" if self.value else "[ ]")
