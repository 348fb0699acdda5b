"""The screen of a version's note history: every saved state, what it changed, and the key that restores it.

In a git repository the commits that changed the notebook are a second list, which goes back further than the app's own.
Everything is read in threads, a page at a time.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical

from imgexp_tui.notebook.history.timeline import NoteChange
from imgexp_tui.notebook.model import NOTE_FIELDS
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.services.notes import history
from imgexp_tui.services.notes.history import COMMITS, SAVES, HistoryPage, NoteHistory
from imgexp_tui.text import clean_line
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.notes import history_rows
from imgexp_tui.views.notes.diff import diff_lines
from imgexp_tui.views.styled import Line, justify, line, pad

_PREFETCH_ROWS = 50
"""The next page is read when the cursor is this many rows or fewer above the last one."""
_OUTCOME_SECONDS = 6.0
"""Seconds for which the outcome of bringing a state back is displayed: it is a long sentence."""


class StateList(ListPane[NoteChange]):
    """One state a row. Rows are built once for each width: there may be ten thousand."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._cached_lines: list[Line] = []
        self._width = 0

    def fill(self, changes: list[NoteChange]) -> None:
        """Show these states in place of those before, with the cursor on the first."""
        self.items, self._cached_lines, self.cursor = list(changes), [], 0
        self.scroll_home(animate=False)
        self.rebuild()
        self.post_message(self.CursorMoved())

    def append(self, changes: list[NoteChange]) -> None:
        """Show more states below those that are there."""
        self.items = [*self.items, *changes]
        self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if width != self._width:
            self._width, self._cached_lines = width, []
        self._cached_lines += [
            history_rows.change_row(change, width) for change in self.items[len(self._cached_lines) :]
        ]
        rows = list(self._cached_lines)
        if rows:
            rows[self.cursor] = line(("▌", "mark"), *_drop_first_cell(rows[self.cursor]))
        return rows


class NoteDiffView(Pane):
    """The lines by which two texts differ."""

    _texts = ("", "")
    _message = ""

    def show(self, old: str, new: str, message: str = "") -> None:
        """Show the changes from `old` to `new`, or a sentence in their place."""
        if (old, new, message) != (*self._texts, self._message):
            self._texts, self._message = (old, new), message
            self.scroll_home(animate=False)
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        if self._message:
            from imgexp_tui.views.wrap import wrap

            return [line((text, "quiet")) for text in wrap(self._message, width)]
        return diff_lines(*self._texts, width)


class HistoryScreen(StyledScreen[None]):
    """The states of one version's notes.

    Args:
        field: the note whose states are shown; "" for all of them.
    """

    CSS_PATH = "history.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]
    BINDINGS = [
        Binding("escape,q,H", "close", "Back"),
        Binding("enter,r", "bring_back", "Bring back", tooltip="Make this state the note again; it can be undone"),
        Binding("d", "compare", "Diff", tooltip="Compare with the state before, or with the note as it is now"),
        Binding("n", "note", "Note", tooltip="The states of all notes, or of one"),
        Binding("tab", "source", "Commits", tooltip="States that were saved, or those of git's commits"),
        Binding("j,down", "move(1)", "Older state", show=False),
        Binding("k,up", "move(-1)", "Newer state", show=False),
        Binding("pagedown,space", "page(1)", "A page of older states", show=False),
        Binding("pageup,b", "page(-1)", "A page of newer states", show=False),
        Binding("g,home", "move(-1000000)", "Newest state", show=False),
        Binding("G,end", "move(1000000)", "Oldest state that was read", show=False),
        Binding("J,ctrl+down", "scroll(3)", "Scroll the diff down", show=False),
        Binding("K,ctrl+up", "scroll(-3)", "Scroll the diff up", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, lab: Path, version: str, field: str = "") -> None:
        super().__init__()
        self._lab = lab
        self._version = version
        self._field = field
        self._source = SAVES
        self._compares_with_current = False
        self._has_repository = False
        self._history = NoteHistory(lab, version, SAVES, self._fields)
        self._last_page = HistoryPage([], is_last=False)
        self._reading = False
        # Not queried when needed: a page that was read may arrive while the screen is being closed.
        self._title, self._header, self._diff_label = (
            StyledView(id="title"),
            StyledView(id="head"),
            StyledView(id="about"),
        )
        self._rows, self._diff = StateList(id="states"), NoteDiffView(id="diff")

    @property
    def _fields(self) -> tuple[str, ...]:
        return (self._field,) if self._field else NOTE_FIELDS

    def compose(self) -> ComposeResult:
        yield self._title
        with Container(id="body"):
            with Vertical(id="list"):
                yield self._header
                yield self._rows
            with Vertical(id="change"):
                yield self._diff_label
                yield self._diff
        yield KeyFooter()

    def on_mount(self) -> None:
        self._draw()
        self._restart()
        self._check_repository()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _restart(self) -> None:
        """Read the list again from its newest state."""
        self._history = NoteHistory(self._lab, self._version, self._source, self._fields)
        self._last_page = HistoryPage([], self._last_page.current_texts, is_last=False)
        self._read()

    @work(group="read")
    async def _read(self) -> None:
        requested = self._history
        if self._reading:
            return  # the newest request is read after this one
        self._reading = True
        try:
            page = await asyncio.to_thread(requested.next_page)
        finally:
            self._reading = False
        if requested is not self._history:
            self._read()
            return
        add = self._rows.append if self._last_page.changes else self._rows.fill
        self._last_page = page
        add(page.changes)
        self._draw()

    @work(group="git")
    async def _check_repository(self) -> None:
        self._has_repository = await asyncio.to_thread(history.notebook_repository, self._lab) is not None
        self.refresh_bindings()
        self._draw()

    def _draw(self) -> None:
        room = self.size.width
        name, source = clean_line(self._version), self._source
        right = [("saved states", "strong" if source == SAVES else "quiet")]
        if self._has_repository:
            right += [(" · ", "quiet"), ("commits", "strong" if source == COMMITS else "quiet")]
        left = line((f" {name} ", "title"), (f"history of {self._field or 'all notes'}", "quiet"))
        self._title.set_lines([justify(left, line(*right, " "), room)])
        self._header.set_lines(
            [history_rows.header_row(self._header.size.width or room, with_commits=source == COMMITS)]
        )
        self._diff_label.set_lines(
            [pad(line((f" {self._diff_description()}", "quiet")), self._diff_label.size.width or room)]
        )
        self._draw_diff()

    def _diff_description(self) -> str:
        change = self._rows.selected
        if change is None:
            return ""
        if self._compares_with_current:
            return f"{change.state.field}: what bringing it back would change (d: what it changed then)"
        return f"{change.state.field}: what it changed (d: what bringing it back would change)"

    def _draw_diff(self) -> None:
        change, view = self._rows.selected, self._diff
        if change is None:
            view.show("", "", self._empty_text())
        elif not self._compares_with_current:
            view.show(change.before, change.state.text)
        elif change.state.field in self._last_page.current_texts:
            view.show(self._last_page.current_texts[change.state.field], change.state.text)
        else:
            view.show("", "", self._last_page.problem or "The note cannot be read now.")

    def _empty_text(self) -> str:
        if self._last_page.problem:
            return self._last_page.problem
        if not self._last_page.is_last:
            return "Reading…"
        if self._source == COMMITS:
            return f"No commit holds {'this note' if self._field else 'notes'} of {clean_line(self._version)}."
        return "Nothing was saved yet. Each save keeps a state here, whether or not the lab is in git."

    def on_list_pane_cursor_moved(self) -> None:
        self._draw()
        if not self._last_page.is_last and self._rows.cursor >= self._rows.count - _PREFETCH_ROWS:
            self._read()

    def on_list_pane_item_opened(self) -> None:
        self.action_bring_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._has_repository if action == "source" else True

    def action_close(self) -> None:
        self.dismiss()

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_page(self, pages: int) -> None:
        self._rows.move_pages(pages)

    def action_scroll(self, rows: int) -> None:
        self._diff.scroll_relative(y=rows, animate=False)

    def action_compare(self) -> None:
        self._compares_with_current = not self._compares_with_current
        self._draw()

    def action_note(self) -> None:
        order = ("", *NOTE_FIELDS)
        self._field = order[(order.index(self._field) + 1) % len(order)]
        self._restart()

    def action_source(self) -> None:
        self._source = COMMITS if self._source == SAVES else SAVES
        self._restart()

    @work(exclusive=True, group="action")
    async def action_bring_back(self) -> None:
        """Make the state under the cursor the note again. Asks nothing, because no state is lost."""
        change = self._rows.selected
        if change is None:
            return
        restore = partial(_restore_state, self._lab, change)
        if await ActionRunner(self).run(restore, on_failure="warning", seconds=_OUTCOME_SECONDS):
            self._source = SAVES
            self._restart()


def _restore_state(lab: Path, change: NoteChange) -> str:
    sentence, done = history.restore_state(lab, change)
    if not done:
        raise ActionError(sentence)
    return sentence


def _drop_first_cell(styled_line: Line) -> Line:
    """Returns a line without its first cell, which is a blank."""
    (text, role), *rest = styled_line
    return ((text[1:], role), *rest)
