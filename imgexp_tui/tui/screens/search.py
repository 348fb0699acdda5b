"""The screen that searches all notes and settings: an input line and the hits below it.

The search runs in a thread, and a hit becomes a line only when it is in sight, so that each keystroke is answered at
once in a notebook of a thousand versions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import overload

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.widgets import Input

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.search import Hit, Hits, SearchIndex
from imgexp_tui.text import cell_width, clean_line, truncate
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen, StyledView
from imgexp_tui.views.styled import Line, justify, line, pad, truncate_line

_LOCATION_WIDTH = len("takeaways:1000")
_BEFORE_MARK_DIVISOR = 3
"""At most `1 / n` of the room is text before the first match; a longer text is cut at its start."""


def hit_line(hit: Hit, room: int) -> Line:
    """Returns a hit as one line: version, location, and the text around its first match."""
    name = 20 if room > 110 else 10
    location = f"{hit.field}:{hit.line}" if hit.is_in_note else hit.field
    head = line(*pad(line((truncate(clean_line(hit.version), name), "strong")), name + 1), *_location_cell(location))
    return truncate_line(line(*head, *_highlighted_text(hit, max(10, room - name - _LOCATION_WIDTH - 3))), room)


def _location_cell(location: str) -> Line:
    return pad(line((truncate(location, _LOCATION_WIDTH), "quiet")), _LOCATION_WIDTH + 1)


def _highlighted_text(hit: Hit, room: int) -> Line:
    text, start = hit.text, 0
    first = hit.match_spans[0][0] if hit.match_spans else 0
    if cell_width(text) > room and cell_width(text[:first]) > room // 2:
        start = first
        while start and cell_width(text[start - 1 : first]) < room // _BEFORE_MARK_DIVISOR:
            start -= 1
    parts: list[tuple[str, str] | str] = [("…", "quiet")] if start else []
    at = start
    for a, b in hit.match_spans:
        if a >= at:
            parts += [text[at:a], (text[a:b], "mark")]
            at = b
    return line(*parts, text[at:])


class LazyHitLines(Sequence[Line]):
    """The lines of hits, each made when it is read."""

    def __init__(self, hits: Hits, room: int) -> None:
        self._hits, self._room = hits, room

    def __len__(self) -> int:
        return len(self._hits)

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return LazyHitLines(self._hits[at], self._room)
        return hit_line(self._hits[at], self._room)


class HitList(ListPane[Hit]):
    """One hit a row."""

    _rendered_for: tuple[object, int] = (None, 0)

    def fill(self, hits: Hits, cursor: int = 0) -> None:
        """Show these hits, with the cursor on a row."""
        self.items, self.cursor = hits, max(0, min(cursor, len(hits) - 1))
        self.rebuild()
        self.scroll_to(y=0, animate=False)
        self.scroll_to_cursor()

    def rebuild(self) -> None:
        room = self.scrollable_content_region.width
        if not room or not isinstance(self.items, Hits) or self._rendered_for == (self.items, room):
            return
        self._rendered_for = self.items, room
        self._lines = LazyHitLines(self.items, room)
        self.virtual_size = Size(self.size.width, self.count)
        self.refresh()


class SearchScreen(StyledScreen[Hit | None]):
    """Dismissed with the hit to go to, or None.

    Args:
        query, selected_index: the last query, and the index of the hit that was selected.

    Attributes:
        search_text, selected_index: the same at the time of dismissal.
    """

    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    SearchScreen {
        background: $background;
        #title { height: 1; background: $panel; }
        Input { background: $surface; padding: 0 1; }
        #hits { height: 1fr; }
    }
    """
    BINDINGS = [
        Binding("escape", "close", "Back"),
        Binding(
            "enter", "open", "Go there", tooltip="Go to the hit: its version, and the line of a note in the editor"
        ),
        Binding("down,n,j,ctrl+n", "move(1)", "Next", tooltip="Next hit", key_display="↓"),
        Binding("up,N,k", "move(-1)", "Previous", tooltip="Previous hit", key_display="↑"),
        Binding("pagedown,space", "page(1)", "A page down", show=False),
        Binding("pageup,b", "page(-1)", "A page up", show=False),
        Binding("tab", "toggle_focus", "Hits", tooltip="From the line to the hits, where n and N go on; / goes back"),
        Binding("slash", "focus_input", "Type", show=False, tooltip="Back to the line"),
        Binding("f1", "app.help", "Keys"),
    ]

    def __init__(self, notebook: Notebook, query: str = "", selected_index: int = 0) -> None:
        super().__init__()
        self._notebook = notebook
        self._index: SearchIndex | None = None
        self.search_text, self.selected_index = query, selected_index

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        words = "words that stand on one line of a note, a setting or a name"
        yield Input(self.search_text, placeholder=words, compact=True, select_on_focus=bool(self.search_text))
        yield HitList(id="hits")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._rows = self.query_one(HitList)
        self._update_title()
        if self.search_text:
            self._search(self.search_text, self.selected_index)

    def on_resize(self) -> None:
        self._update_title()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self.search_text:
            self._search(event.value, 0)

    def on_input_submitted(self) -> None:
        self.action_open()

    @work(exclusive=True, group="search")
    async def _search(self, query: str, selected_index: int) -> None:
        self.search_text = query
        if self._index is None:
            self._index = await asyncio.to_thread(SearchIndex, self._notebook)
        hits = await asyncio.to_thread(self._index.find, query)
        self._rows.fill(hits, selected_index)
        self._update_title()

    def _update_title(self) -> None:
        count, query = self.query_one(HitList).count, self.search_text.strip()
        right = f"{count:,} line{'s' if count != 1 else ''} " if query else ""
        if count:
            right = f"{self.query_one(HitList).cursor + 1:,} of {right}"
        left = line((" Search ", "title"), ("all notes and settings", "quiet"))
        self.query_one("#title", StyledView).set_lines([justify(left, line(right), self.size.width)])

    def on_list_pane_cursor_moved(self) -> None:
        self._update_title()

    def on_list_pane_item_opened(self) -> None:
        self.action_open()

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_page(self, pages: int) -> None:
        self._rows.move_pages(pages)

    def action_toggle_focus(self) -> None:
        if self.focused:
            self.set_focus(None)
        else:
            self.action_focus_input()

    def action_focus_input(self) -> None:
        self.query_one(Input).focus()

    def action_open(self) -> None:
        if hit := self._rows.selected:
            self.selected_index = self._rows.cursor
            self.dismiss(hit)

    def action_close(self) -> None:
        self.selected_index = self._rows.cursor
        self.dismiss(None)
