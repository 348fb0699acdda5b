"""The input line for the filter of the version table, above the table while a filter is active."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from imgexp_tui.text import clean_line


class FilterBar(Vertical):
    """Posts the text at each keystroke. Enter goes back to the table, Escape ends the filter."""

    BINDINGS = [Binding("escape", "end", "No filter", tooltip="Show every version again")]
    DEFAULT_CSS = """
    FilterBar {
        height: auto;
        background: $panel;
        & > Horizontal { height: 1; }
        & #filter-label { width: auto; color: $primary; text-style: bold; padding: 0 1; }
        & Input { width: 1fr; background: $panel; }
        & #filter-count { width: auto; padding: 0 1; color: $foreground 55%; }
        & #filter-mistake { height: auto; padding: 0 1; color: $warning; display: none; }
        &.-mistake #filter-mistake { display: block; }
    }
    """

    class QueryChanged(Message):
        """The text of the filter changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Exited(Message):
        """The user left the line; with `cleared`, the filter ends, else it stays."""

        def __init__(self, *, cleared: bool) -> None:
            super().__init__()
            self.cleared = cleared

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("filter", id="filter-label")
            hint = "state:failed tag:seed base:v0 valid/loss<0.3 words"
            yield Input(placeholder=hint, compact=True, select_on_focus=False)
            yield Static(id="filter-count")
        yield Static(id="filter-mistake")

    def on_mount(self) -> None:
        self.focus_input()

    def focus_input(self) -> None:
        """Give the line the focus at once: `Widget.focus` would send keys that follow quickly to the table."""
        self.screen.set_focus(self.query_one(Input))

    def show(self, visible: int, total: int, error: str) -> None:
        """Show how many versions fit, or what is wrong with the filter."""
        self.query_one("#filter-count", Static).update(Content(f"{visible:,} of {total:,} · Esc shows all"))
        self.query_one("#filter-mistake", Static).update(Content(clean_line(error)))
        self.set_class(bool(error), "-mistake")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.QueryChanged(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Exited(cleared=not event.value.strip()))

    def action_end(self) -> None:
        self.post_message(self.Exited(cleared=True))
