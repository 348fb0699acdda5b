"""The dialog that asks for one line of text and checks it while it is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from imgexp_tui.text import clean_line


class PromptScreen(ModalScreen[str | None]):
    """Dismissed with the line, or None if it was cancelled.

    Args:
        question: plain text.
        value: the initial text.
        hint: displayed below while nothing is wrong.
        find_fault: returns what is wrong with a line, as a sentence; "" if nothing is.
    """

    DEFAULT_CSS = """
    PromptScreen {
        align: center middle;
        #box { width: 70; max-width: 90%; height: auto; padding: 1 3; background: $surface; border: round $primary; }
        #question { width: 100%; margin-bottom: 1; }
        Input { background: $panel; }
        #remark { width: 100%; margin-top: 1; color: $foreground 60%; }
        #remark.-fault { color: $warning; }
    }
    """
    BINDINGS = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, question: str, value: str, hint: str, find_fault: Callable[[str], str]) -> None:
        super().__init__()
        self._question, self._value, self._hint, self._find_fault = question, value, hint, find_fault

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(clean_line(self._question)), id="question")
            yield Input(self._value, compact=True, select_on_focus=False)
            yield Static(Content(self._hint), id="remark")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        fault = self._find_fault(event.value.strip())
        self.query_one("#remark", Static).update(Content(clean_line(fault) or self._hint))
        self.query_one("#remark").set_class(bool(fault), "-fault")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._find_fault(event.value.strip()):
            self.app.bell()
        else:
            self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        self.dismiss(None)
