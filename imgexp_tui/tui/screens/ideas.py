"""The screen of ideas to try next: the open ideas of all versions, with keys for their notes and for new versions.

The list follows the notebook as the main screen's watcher reads it. An idea that is ticked here stays in the list until
the screen is closed, so that nothing moves under the cursor and the same key removes the tick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Input, Static

from imgexp_tui.notebook.ideas.model import Idea, all_ideas
from imgexp_tui.notebook.model import Notebook, NotebookError
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.text import clean_line
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen, StyledView
from imgexp_tui.tui.widgets.idea_list import IdeaList
from imgexp_tui.views import ideas as idea_views
from imgexp_tui.views.styled import justify, line

_POLL_INTERVAL = 0.2
"""Seconds between two polls of what the watcher has read; no file is read for them."""


class IdeasScreen(StyledScreen[str | None]):
    """Dismissed with the version that was made from an idea, or None.

    Args:
        lab: the lab's folder.
        read_notebook: returns the notebook as it was last read; None while it cannot be read.
        notify_written: called when something was written, so that it is read at once.
    """

    CSS_PATH = "ideas.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("space,x", "tick", "Tick", tooltip="Tick an idea and say where it was tried; once more opens it again"),
        Binding("enter", "open", "Note", tooltip="Open the note at this idea"),
        Binding("n", "new", "New version", tooltip="New version that tries this idea"),
        Binding("a", "all", "Done too", tooltip="Show the done ones too, with where they were tried; or not"),
        Binding("slash", "find", "Filter", tooltip="Show those only that hold what you type", key_display="/"),
        Binding("escape,q,i", "close", "Back"),
        Binding("j,down", "move(1)", "Next idea", show=False),
        Binding("k,up", "move(-1)", "Previous idea", show=False),
        Binding("g,home", "move(-1000000)", "First idea", show=False),
        Binding("G,end", "move(1000000)", "Last idea", show=False),
        Binding("pagedown", "page(1)", "A page of ideas down", show=False),
        Binding("pageup,b", "page(-1)", "A page of ideas up", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(
        self, lab: Path, read_notebook: Callable[[], Notebook | None], notify_written: Callable[[], None]
    ) -> None:
        super().__init__()
        self._lab = lab
        self._read_notebook = read_notebook
        self._notify_written = notify_written
        self._runner = ActionRunner(self, notify_written)
        self._notebook: Notebook | None = None
        self._shows_done = False
        self._toggled_keys: set[tuple[str, str, str]] = set()
        self._counts = (0, 0)
        self._writing = asyncio.Lock()

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield IdeaList(id="ideas")
        with Horizontal(id="find"):
            yield Static("/")
            yield Input(id="words", compact=True, select_on_focus=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        self._list = self.query_one(IdeaList)
        self._filter_input = self.query_one("#words", Input)
        self._filter_input.can_focus = False
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw_title()

    def _poll(self) -> None:
        """Show the notebook, if it was read again."""
        notebook = self._read_notebook()
        if notebook is not None and notebook is not self._notebook:
            self._notebook = notebook
            self._counts = _count_ideas(notebook)
            self._update_list()

    def _update_list(self) -> None:
        if self._notebook is None:
            return
        words = self._filter_input.value
        groups = idea_views.group_ideas(
            self._notebook, include_done=self._shows_done, always_visible=self._toggled_keys, query=words
        )
        self._list.fill(groups, self._empty_text(words))
        self._draw_title()

    def _empty_text(self, words: str) -> str:
        if words.strip():
            return f"No {'' if self._shows_done else 'open '}idea holds {clean_line(words)}. Escape shows all."
        if self._counts[1] and not self._shows_done:
            return "Every idea is ticked: a shows where each was tried. A new one is a line in a note: - [ ] try …"
        return "No open ideas yet. Write one as a line in the note of any version: - [ ] try num_workers > 0"

    def _draw_title(self) -> None:
        open_, done = self._counts
        count = self.query_one(IdeaList).count
        left = line(
            (" Next ", "title"),
            ("ideas of all versions" if self._shows_done else "open ideas of all versions", "quiet"),
        )
        matches = line((f"{count:,} found · ", "")) if self._filter_input.value.strip() else ()
        right = line(*matches, (f"{open_:,} open", "strong"), (f" · {done:,} done ", "quiet"))
        self.query_one("#title", StyledView).set_lines([justify(left, right, self.size.width)])

    def on_list_pane_cursor_moved(self) -> None:
        self.refresh_bindings()

    def on_list_pane_item_opened(self) -> None:
        self.action_open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        idea = self._list.selected if hasattr(self, "_list") else None
        if action in ("tick", "open"):
            return idea is not None
        if action == "new":
            return idea is not None and not idea.done
        return True

    def action_move(self, ideas: int) -> None:
        self._list.move(ideas)

    def action_page(self, pages: int) -> None:
        self._list.move_pages(pages)

    def action_all(self) -> None:
        self._shows_done = not self._shows_done
        self._update_list()

    def action_find(self) -> None:
        """Open the filter; the list follows every letter."""
        self.query_one("#find").add_class("-shown")
        self._filter_input.can_focus = True
        self._filter_input.focus()

    def on_input_changed(self) -> None:
        self._update_list()

    def on_input_submitted(self) -> None:
        self._close_filter(keep=bool(self._filter_input.value.strip()))

    def _close_filter(self, *, keep: bool) -> None:
        self._filter_input.can_focus = False
        self.set_focus(None)
        if not keep:
            self._filter_input.value = ""
            self.query_one("#find").remove_class("-shown")

    def action_close(self) -> None:
        """Close the filter, or the screen if there is none."""
        if self._filter_input.has_focus or self._filter_input.value:
            self._close_filter(keep=False)
        else:
            self.dismiss(None)

    @work(group="tick")
    async def action_tick(self) -> None:
        """Tick the idea under the cursor, or open it again."""
        from imgexp_tui.notebook.ideas import edits

        idea = self._list.selected
        if idea is None or self._notebook is None:
            return
        self._toggled_keys.add(idea.key)
        if idea.done:
            await self._write(partial(edits.untick_idea, self._lab, idea))
            return
        from imgexp_tui.tui.screens.dialogs.idea_tried import IdeaTriedScreen

        tried_in = await self.app.push_screen_wait(IdeaTriedScreen(self._notebook, idea))
        if tried_in is not None:
            await self._write(partial(edits.tick_idea, self._lab, idea, tried_in))

    async def _write(self, edit: Callable[[], None]) -> None:
        async with self._writing:
            await self._runner.run(partial(_write_edit, edit))

    def action_open(self) -> None:
        from imgexp_tui.tui.screens.editor import EditorScreen

        idea = self._list.selected
        if idea:
            editor = EditorScreen(self._lab, idea.version, idea.field, line=idea.line)
            self.app.push_screen(editor, lambda _: self._notify_written())

    def action_new(self) -> None:
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        idea = self._list.selected
        if idea and self._notebook:
            screen = NewVersionScreen(self._lab, self._notebook, idea.version, ideas_to_try=[idea])
            self.app.push_screen(screen, self._version_created)

    def _version_created(self, name: str | None) -> None:
        if name:
            self.dismiss(name)


def _write_edit(edit: Callable[[], None]) -> str:
    """Change the notebook; there is nothing to say where that succeeds, because the list shows it."""
    try:
        edit()
    except (NotebookError, OSError) as error:
        raise ActionError(f"Not written: {error}.") from error
    return ""


def _count_ideas(notebook: Notebook) -> tuple[int, int]:
    """Returns how many ideas are open, and how many are done."""
    ideas: list[Idea] = all_ideas(notebook)
    done = sum(idea.done for idea in ideas)
    return len(ideas) - done, done
