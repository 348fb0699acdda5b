"""The search line of the editor: typing selects the first hit, and all hits are highlighted."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static
from textual.widgets.text_area import Selection

from imgexp_tui.tui.widgets.notes.area import NoteArea


class FindInput(Input):
    """The input for the query. Its keys act on the bar around it."""

    BINDINGS = [
        Binding("escape", "bar_close", "Back to the text", show=False),
        Binding("enter,f3,down,ctrl+f", "bar_next(True)", "Next hit", show=False),
        Binding("ctrl+r,shift+f3,up", "bar_next(False)", "Previous hit", show=False),
    ]

    def action_bar_close(self) -> None:
        bar = self.parent
        assert isinstance(bar, FindBar)
        bar.close()

    def action_bar_next(self, forward: bool) -> None:
        bar = self.parent
        assert isinstance(bar, FindBar)
        bar.select_next(forward=forward)


class FindBar(Horizontal):
    """Hidden until `open`. Searches one text area at a time; lower-case letters match capitals too."""

    DEFAULT_CSS = """
    FindBar {
        display: none;
        height: 1;
        padding: 0 1;
        background: $panel;
        & > Static { width: auto; color: $text-muted; }
        & > FindInput { width: 1fr; margin: 0 1; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._area: NoteArea | None = None
        self._start_selection = Selection.cursor((0, 0))

    def compose(self) -> ComposeResult:
        yield Static("Find")
        yield FindInput(compact=True, select_on_focus=True)
        yield Static(id="hits")

    @property
    def _input(self) -> FindInput:
        return self.query_one(FindInput)

    def open(self, area: NoteArea) -> None:
        """Search in `area`, at first for the text selected there, else for the last query."""
        self._area, self._start_selection = area, Selection.cursor(min(area.selection))
        if (selected := area.selected_text) and "\n" not in selected:
            self._input.value = selected
        self.display = True
        self.screen.set_focus(self._input)  # at once, because the next key may have arrived already
        self._search()

    def find_again(self, area: NoteArea, *, forward: bool) -> None:
        """Go to the next hit of the last query, with the bar closed."""
        if not self._input.value:
            self.open(area)
            return
        area.set_search(self._input.value)
        area.select_match(forward=forward, skip_current=True)
        area.set_search("")

    def select_next(self, *, forward: bool) -> None:
        """Go to the next or the previous hit."""
        if self._area:
            self._area.select_match(forward=forward, skip_current=True)
            self._update_counter()

    def close(self, *, refocus: bool = True) -> None:
        """Hide the bar and put the cursor at the hit."""
        area, self._area = self._area, None
        self.display = False
        if area:
            area.set_search("")
            area.move_cursor(min(area.selection))
            if refocus:
                self.screen.set_focus(area)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._search()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        # The screen has no focus while the terminal's window has none; the bar stays open then.
        if self.display and self.screen.focused not in (None, self._input):
            self.close(refocus=False)

    def _search(self) -> None:
        if self._area:
            self._area.set_search(self._input.value)
            self._area.selection = self._start_selection
            self._area.select_match(forward=True, skip_current=False)
            self._update_counter()

    def _update_counter(self) -> None:
        if not self._area:
            return
        at, count = self._area.match_position
        hits = "" if not self._input.value else f"{at}/{count}  " if count else "not found  "
        self.query_one("#hits", Static).update(Content(f"{hits}⏎ next  ^r previous  esc back"))
