"""The dialog that offers an unsaved draft next to the file's text, when a note is opened."""

from __future__ import annotations

import time
from difflib import SequenceMatcher

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.text import clean, format_age

_CHOICES = {
    "restore": "Restore draft (r)",
    "keep": "Keep file (f)",
    "both": "Both (b)",
    "later": "Later (esc)",
}
_CONTEXT_LINES = 1


class DraftOfferScreen(ModalScreen[str]):
    """Dismissed with "restore", "keep", "both" or "later".

    Args:
        version: the note's version.
        text: the file's text.
        draft: the unsaved text; its field says which note.
    """

    CSS_PATH = "draft_offer.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    BINDINGS = [
        Binding("r", "choose('restore')", "Restore draft", show=False),
        Binding("f", "choose('keep')", "Keep file", show=False),
        Binding("b", "choose('both')", "Both", show=False),
        Binding("left", "app.focus_previous", "Previous answer", show=False),
        Binding("right", "app.focus_next", "Next answer", show=False),
        Binding("escape", "choose('later')", "Decide later", show=False),
    ]

    def __init__(self, version: str, text: str, draft: Draft) -> None:
        super().__init__()
        self._version = version
        self._text = text
        self._draft = draft

    def compose(self) -> ComposeResult:
        when = format_age(max(0.0, time.time() - self._draft.time))
        ago = "just now" if when == "now" else f"{when} ago"
        file, draft = self._text.splitlines(), self._draft.text.splitlines()
        with Vertical(id="box"):
            yield Static(
                Content(f"{self._version}: unsaved {self._draft.field} found, typed {ago}. What shall the note say?"),
                id="question",
            )
            with Vertical(id="texts"):
                yield _pane("In the file", _highlight_differences(file, draft, "$text-warning"), "file")
                yield _pane("Your draft", _highlight_differences(draft, file, "$text-success"), "draft")
            with Horizontal(id="answers"):
                for choice, label in _CHOICES.items():
                    yield Button(Content(label), id=choice, compact=True)

    def on_mount(self) -> None:
        self.query_one("#restore", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id or "later")

    def action_choose(self, choice: str) -> None:
        self.dismiss(choice)


def _pane(title: str, text: Content, id: str) -> VerticalScroll:
    pane = VerticalScroll(Static(text), id=id, can_focus=True)
    pane.border_title = title
    return pane


def _highlight_differences(lines: list[str], other: list[str], colour: str) -> Content:
    """Returns `lines` with a bar and colour where `other` differs; long runs of equal lines are counted instead."""
    if not "".join(lines).strip():
        return Content.styled("(empty)", "dim")
    parts: list[tuple[str, str]] = []
    for tag, start, end, _, _ in SequenceMatcher(None, lines, other, autojunk=False).get_opcodes():
        run_lines = [clean(line).expandtabs(4) for line in lines[start:end]]
        if tag != "equal":
            parts += [(f"▌ {line}\n", f"bold {colour}") for line in run_lines]
            continue
        if len(run_lines) > _CONTEXT_LINES + 1:
            parts.append((f"  ⋯ {len(run_lines) - _CONTEXT_LINES} lines that both have\n", "dim italic"))
            run_lines = run_lines[-_CONTEXT_LINES:]
        parts += [(f"  {line}\n", "dim") for line in run_lines]
    return Content.assemble(*parts)
