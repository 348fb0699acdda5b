"""Chooses a figure of the run to be put into a note: typing filters, Enter takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from imgexp_tui.text import fit
from imgexp_tui.tui.widgets.base.list_pane import CursorPane
from imgexp_tui.tui.widgets.base.styled_view import LineScreen
from imgexp_tui.views.notes.quotable_figures import Figure, matching
from imgexp_tui.views.styled import Line, line, pad

_PACE = 1.0
_KIND = 10


class FigureRows(CursorPane):
    """One figure a row; the cursor stays on its place while the values change."""

    rows: Sequence[Figure] = ()

    @property
    def count(self) -> int:
        return len(self.rows)

    def fill(self, rows: Sequence[Figure]) -> None:
        """Show these figures."""
        self.rows = rows
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self.rebuild()
        self.keep_in_sight()

    def build(self, width: int, height: int) -> list[Line]:
        return [self._row(i, one, width) for i, one in enumerate(self.rows)]

    def _row(self, at: int, one: Figure, width: int) -> Line:
        kind, text = one
        mark = ("▌ ", "mark") if at == self.cursor else ("  ", "")
        return line(mark, *pad(line((fit(kind, _KIND - 1), "quiet")), _KIND), fit(text, max(8, width - _KIND - 2)))


class FigureScreen(LineScreen[str], ModalScreen[str]):
    """Dismissed with the text to put in; "" for none.

    Args:
        version: whose figures.
        look: gives the figures as they stand; called in a thread, about once a second.
    """

    CSS_PATH = "figure_picker.tcss"
    BINDINGS = [
        Binding("enter", "take", "Insert", priority=True),
        Binding("down,ctrl+n", "move(1)", "Next figure", priority=True, show=False),
        Binding("up,ctrl+p", "move(-1)", "Previous figure", priority=True, show=False),
        Binding("pagedown", "move(10)", "Ten further", priority=True, show=False),
        Binding("pageup", "move(-10)", "Ten back", priority=True, show=False),
        Binding("escape,ctrl+g,f2", "cancel", "Back", priority=True),
    ]

    def __init__(self, version: str, look: Callable[[], Sequence[Figure]]) -> None:
        super().__init__()
        self._version = version
        self._look_now = look
        self._figures: Sequence[Figure] = ()
        self._looking = False

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(f"Figures of {self._version}")
            box.border_subtitle = Content("enter insert · ↑↓ move · esc back")
            yield Input(placeholder="type to filter", id="filter", compact=True)
            yield Static(id="none")
            yield FigureRows(id="figures")

    def on_mount(self) -> None:
        self._rows = self.query_one(FigureRows)
        self.query_one(Input).focus()
        self._look()
        self.set_interval(_PACE, self._look)

    @work(group="look")
    async def _look(self) -> None:
        if self._looking:
            return
        self._looking = True
        try:
            self._figures = await asyncio.to_thread(self._look_now)
        except OSError:
            return
        finally:
            self._looking = False
        self._show()

    def on_key(self, event: events.Key) -> None:
        """What was typed before the filter had the focus belongs into it all the same."""
        if event.character and event.is_printable:
            self.query_one(Input).insert_text_at_cursor(event.character)

    def on_input_changed(self) -> None:
        self._rows.cursor = 0
        self._show()

    def _show(self) -> None:
        typed = self.query_one(Input).value
        found = matching(self._figures, typed)
        self._rows.fill(found)
        none = f"No figure with {typed!r}." if self._figures else f"Nothing was measured for {self._version} yet."
        self.query_one("#none", Static).update(Content("" if found else none))
        self.query_one("#none").display = not found

    def on_cursor_pane_opened(self) -> None:
        self.action_take()

    def action_take(self) -> None:
        if self._rows.rows:
            self.dismiss(self._rows.rows[self._rows.cursor][1])

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_cancel(self) -> None:
        self.dismiss("")
