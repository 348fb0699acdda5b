"""The dialog to choose a figure of the run for a note: typing filters, Enter inserts."""

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

from imgexp_tui.text import truncate
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.views.notes.quotable_figures import Figure, filter_figures
from imgexp_tui.views.styled import Line, line, pad

_POLL_INTERVAL = 1.0
_KIND_WIDTH = 10


class FigureList(ListPane[Figure]):
    """One figure a row. The cursor keeps its row while the values change."""

    def row_of(self, item: Figure) -> int | None:
        """Returns None: a figure's text changes with its value, so that it does not identify the figure."""
        return None

    def build(self, width: int, height: int) -> list[Line]:
        return [self._row(i, figure, width) for i, figure in enumerate(self.items)]

    def _row(self, index: int, figure: Figure, width: int) -> Line:
        kind, text = figure
        mark = ("▌ ", "mark") if index == self.cursor else ("  ", "")
        return line(
            mark,
            *pad(line((truncate(kind, _KIND_WIDTH - 1), "quiet")), _KIND_WIDTH),
            truncate(text, max(8, width - _KIND_WIDTH - 2)),
        )


class FigurePickerScreen(StyledScreen[str], ModalScreen[str]):
    """Dismissed with the text to insert; "" for none.

    Args:
        version: the version whose figures are listed.
        read_figures: returns the current figures; called in a thread about once a second.
    """

    CSS_PATH = "figure_picker.tcss"
    BINDINGS = [
        Binding("enter", "insert", "Insert", priority=True),
        Binding("down,ctrl+n", "move(1)", "Next figure", priority=True, show=False),
        Binding("up,ctrl+p", "move(-1)", "Previous figure", priority=True, show=False),
        Binding("pagedown", "move(10)", "Ten further", priority=True, show=False),
        Binding("pageup", "move(-10)", "Ten back", priority=True, show=False),
        Binding("escape,ctrl+g,f2", "cancel", "Back", priority=True),
    ]

    def __init__(self, version: str, read_figures: Callable[[], Sequence[Figure]]) -> None:
        super().__init__()
        self._version = version
        self._read_figures = read_figures
        self._figures: Sequence[Figure] = ()
        self._polling = False

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(f"Figures of {self._version}")
            box.border_subtitle = Content("enter insert · ↑↓ move · esc back")
            yield Input(placeholder="type to filter", id="filter", compact=True)
            yield Static(id="none")
            yield FigureList(id="figures")

    def on_mount(self) -> None:
        self._rows = self.query_one(FigureList)
        self.query_one(Input).focus()
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    @work(group="poll")
    async def _poll(self) -> None:
        if self._polling:
            return
        self._polling = True
        try:
            self._figures = await asyncio.to_thread(self._read_figures)
        except OSError:
            return
        finally:
            self._polling = False
        self._update_list()

    def on_key(self, event: events.Key) -> None:
        """Add keys that arrive before the filter has the focus to the filter."""
        if event.character and event.is_printable:
            self.query_one(Input).insert_text_at_cursor(event.character)

    def on_input_changed(self) -> None:
        self._rows.cursor = 0
        self._update_list()

    def _update_list(self) -> None:
        typed = self.query_one(Input).value
        matching = filter_figures(self._figures, typed)
        self._rows.set_items(matching)
        none = f"No figure with {typed!r}." if self._figures else f"Nothing was measured for {self._version} yet."
        self.query_one("#none", Static).update(Content("" if matching else none))
        self.query_one("#none").display = not matching

    def on_list_pane_item_opened(self) -> None:
        self.action_insert()

    def action_insert(self) -> None:
        if figure := self._rows.selected:
            self.dismiss(figure[1])

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_cancel(self) -> None:
        self.dismiss("")
