"""The main screen: its layout, and the drawing of the watcher's snapshots into the table and the panes.

It never reads a file itself: the watcher's thread does. On a large terminal all panes are side by side. On a small one
the current pane is alone below the table: the run of a version that was live since the app was opened, so that its last
curves stay in sight, and the notes of every other version.

What the keys do is in the controllers: `navigation`, `run_actions`, `version_actions` and `notebook_actions`. Here are
the keys of the cursor and of the panes alone.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from imgexp_tui.notebook.model import Version
from imgexp_tui.services.notebook_reader import read_notebook
from imgexp_tui.services.row_cache import RowCache
from imgexp_tui.text import clean_line, join_names
from imgexp_tui.tui.screens.main.controller import Controller, VersionCreated, VersionRequested
from imgexp_tui.tui.screens.main.navigation import NEW_VERSION_BINDINGS, NOTE_BINDINGS, SCREEN_BINDINGS, Navigation
from imgexp_tui.tui.screens.main.notebook_actions import NotebookActions
from imgexp_tui.tui.screens.main.run_actions import RunActions
from imgexp_tui.tui.screens.main.state import MainState
from imgexp_tui.tui.screens.main.version_actions import VersionActions
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen, StyledView
from imgexp_tui.tui.widgets.main.problem_banner import ProblemBanner
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import LabSnapshot
from imgexp_tui.views.runs.version_table import app_header

if TYPE_CHECKING:
    from imgexp_tui.notebook.diff import SettingChange
    from imgexp_tui.tui.widgets.main.detail_panes import DetailPanes
    from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

# Least used first: these leave a footer that has no room for all keys.
DROPPABLE_KEYS = (
    *("filter", "version", "find", "ideas", "monitor", "predictions", "queue"),
    *("compare", "charts", "findings", "export", "log"),
)
_FIRST_FRAME_ROWS = 64
"""Rows that are read from the cache for the first frame."""
_GC_FREEZE_DELAY = 1.0
"""Seconds after the panes are mounted. By then the modules of the app have been loaded."""


def _freeze_and_enable_gc() -> None:
    """Collect garbage from now on, but leave out what was loaded so far: traversing it would delay a key."""
    gc.freeze()
    gc.enable()


class SnapshotReady(Message):
    """The watcher has read something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotReady)


class MainScreen(StyledScreen[None]):
    """The first screen.

    Args:
        lab: the folder with `experiments.toml`.

    Attributes:
        navigation: opens the other screens.
    """

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (38, "-tall")]
    # In the order of the footer and of the help.
    BINDINGS = [
        *NOTE_BINDINGS,
        *RunActions.BINDINGS,
        *NEW_VERSION_BINDINGS,
        *VersionActions.BINDINGS,
        *SCREEN_BINDINGS,
        *NotebookActions.BINDINGS,
        Binding("tab", "pane(1)", "Pane", tooltip="Next pane: run, notes, log"),
        Binding("shift+tab", "pane(-1)", "Previous pane", show=False),
        Binding("question_mark,f1", "app.help", "Keys", tooltip="Every key", key_display="?"),
        Binding("q", "leave", "Quit", tooltip="Quit; runs go on"),
        Binding("t", "app.toggle_theme", "Theme", show=False, tooltip="Dark or light"),
        Binding("j,down", "move(1)", "Next version", show=False),
        Binding("k,up", "move(-1)", "Previous version", show=False),
        Binding("g,home", "move(-1000000)", "First version", show=False),
        Binding("G,end", "move(1000000)", "Last version", show=False),
        Binding("J,ctrl+down", "scroll(3)", "Scroll the pane down", show=False),
        Binding("K,ctrl+up", "scroll(-3)", "Scroll the pane up", show=False),
        Binding("pagedown,space", "page(1)", "Scroll the pane a page down", show=False),
        Binding("pageup,b", "page(-1)", "Scroll the pane a page up", show=False),
    ]

    def __init__(self, lab: Path) -> None:
        super().__init__()
        self._opened_notebook = read_notebook(lab)
        self._row_cache = RowCache(lab)
        book = self._opened_notebook.notebook
        first = list(book.versions)[:_FIRST_FRAME_ROWS] if book else []
        rows = self._row_cache.get_many(first)
        self._state = MainState(lab, LabSnapshot(book, self._opened_notebook.problem, rows))
        self._table_header = StyledView(id="head")
        self._table = VersionTable(self._table_header, id="versions")
        self.navigation = Navigation(self, self._state, self._table)
        self._run_actions = RunActions(self, self._state, self._table)
        self._version_actions = VersionActions(self, self._state, self._table)
        notebook_actions = NotebookActions(self, self._state, self._table)
        self._controllers: dict[str, Controller] = {}
        self._add_controllers(self.navigation, self._run_actions, self._version_actions, notebook_actions)
        self._detail_panes: DetailPanes | None = None
        self._chosen_pane = ""
        self._cursor_placed = False
        self._version_to_select = ""
        self._drawn_version = ""

    def _add_controllers(self, *controllers: Controller) -> None:
        """Make the controllers' actions actions of this screen, which is where Textual looks for them."""
        for controller in controllers:
            for name, method in controller.actions().items():
                setattr(self, f"action_{name}", method)
                self._controllers[name] = controller

    @property
    def _snapshot(self) -> LabSnapshot:
        return self._state.snapshot

    def compose(self) -> ComposeResult:
        """The widgets of the first frame. `_mount_panes` adds the rest, so that the versions are there at once."""
        yield StyledView(id="header")
        yield ProblemBanner(id="trouble")
        yield self._table_header
        yield self._table

    def on_mount(self) -> None:
        self._draw()
        self.call_after_refresh(self._mount_panes)

    async def _mount_panes(self) -> None:
        """Mount the panes and the footer, then start to watch: reading runs must not delay the first frame."""
        from imgexp_tui.services.lab_watcher import LabWatcher
        from imgexp_tui.tui.terminal.notifier import AlertNotifier
        from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
        from imgexp_tui.tui.widgets.main.detail_panes import DetailPanes

        panes = DetailPanes(id="panes")
        await self.mount(panes, KeyFooter(DROPPABLE_KEYS))
        self._detail_panes = panes
        on_snapshot = lambda: self.post_message(SnapshotReady())  # noqa: E731
        watcher = LabWatcher(
            self._state.lab, self._opened_notebook, on_snapshot, AlertNotifier(self.app), self._row_cache
        )
        self._state.watcher = watcher
        self.refresh_bindings()
        self._draw()
        watcher.start()
        self.set_timer(_GC_FREEZE_DELAY, _freeze_and_enable_gc)

    def on_unmount(self) -> None:
        if self._state.watcher:
            self._state.watcher.stop()

    def on_resize(self) -> None:
        self._draw_header()
        self._update_panes()

    def on_snapshot_ready(self) -> None:
        if not self._state.watcher:
            return
        before, self._state.snapshot = self._snapshot, self._state.watcher.latest()
        self._state.were_live.update(self._snapshot.live_versions)
        if not self._cursor_placed and self._snapshot.rows:
            self._cursor_placed = True
            self._place_cursor()
        if self._is_hidden:
            return
        with self.app.batch_update():
            if (
                self._detail_panes
                and not self._version_to_select
                and replace(before, machine=self._snapshot.machine) == self._snapshot
            ):
                # In most seconds nothing but the gauges changed; ages grow all the same.
                self._detail_panes.show_machine(self._table.selected, self._snapshot)
                self._table.refresh_ages()
            else:
                self._draw()

    def on_screen_resume(self) -> None:
        if self._state.watcher:
            self._draw()

    def on_refresh_requested(self) -> None:
        if self._state.watcher:
            self._state.watcher.refresh_now()

    def on_filter_changed(self) -> None:
        self._draw()

    def on_filter_bar_query_changed(self, message: FilterBar.QueryChanged) -> None:
        self._version_actions.set_filter(message.text)

    def on_filter_bar_exited(self, message: FilterBar.Exited) -> None:
        if message.cleared:
            self._version_actions.action_all()
        else:
            self.set_focus(None)

    def on_version_created(self, message: VersionCreated) -> None:
        self._version_to_select = message.version
        self.on_refresh_requested()

    def on_version_requested(self, message: VersionRequested) -> None:
        if self._version_actions.reveal(message.version):
            self._draw()
        self._table.select_version(message.version)
        if message.field and self._table.selected == message.version:
            self.navigation.action_edit(message.field, message.line)

    @property
    def _is_hidden(self) -> bool:
        """Whether another screen covers the whole of this one: drawing a thousand rows would then delay its keys."""
        stack = self.app.screen_stack
        return any(not screen.is_modal for screen in stack[stack.index(self) + 1 :]) if self in stack else True

    def _place_cursor(self) -> None:
        """Put the cursor on the version with a live run, or else with the newest one, unless it was moved already."""
        rows = self._snapshot.rows
        ran = [name for name in rows if rows[name].displayed_run]
        if ran and self._table.selected == next(iter(rows), ""):
            self._table.select_version(max(ran, key=lambda name: (rows[name].live > 0, rows[name].displayed_run)))

    def _draw(self) -> None:
        snapshot = self._snapshot
        self._draw_header()
        self.query_one(ProblemBanner).show(snapshot.notebook, snapshot.problem)
        self._table.fill(self._state.version_filter.versions(snapshot), snapshot.rows, snapshot.drafts)
        self._version_actions.update_filter_bar()
        if snapshot.notebook and self._version_to_select in snapshot.notebook.versions:
            self._table.select_version(self._version_to_select)
            self._version_to_select = ""
        self._draw_selected()

    def _draw_header(self) -> None:
        book = self._snapshot.notebook
        title, count = (book.title, len(book.versions)) if book else (self._state.lab.absolute().name, 0)
        rows = self._snapshot.rows.values()
        live, queued = sum(row.live for row in rows), sum(row.queued for row in rows)
        in_table = len(self._state.version_filter.versions(self._snapshot))
        self.query_one("#header", StyledView).set_lines(
            [app_header(title, live, queued, count, self.size.width, in_table)]
        )

    def _draw_selected(self) -> None:
        """Show the version under the cursor. Its run follows later if the watcher has not read it yet."""
        self._drawn_version = self._table.selected
        if self._detail_panes and self._state.watcher:
            name, version = self._table.selected, self.navigation.selected_version
            self._state.watcher.select_version(name)
            snapshot = self._state.watcher.prefetched(name) or self._snapshot
            self._detail_panes.show(name, version, self._changes(version), snapshot)
        self._update_panes()
        if self._run_actions.update_keys():
            self.refresh_bindings()

    def _changes(self, version: Version | None) -> Sequence[SettingChange]:
        """Returns what a version changes against its base."""
        if version is None or self._snapshot.notebook is None:
            return ()
        from imgexp_tui.notebook.diff import setting_changes

        return setting_changes(self._snapshot.notebook, version.name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pane", "scroll", "page"):
            return self._detail_panes is not None
        return self._controllers[action].is_enabled(action) if action in self._controllers else True

    @property
    def _current_pane(self) -> str:
        """The pane that was chosen with a key; else the run, if one was live, and the notes otherwise."""
        return self._chosen_pane or ("run" if self._table.selected in self._state.were_live else "notes")

    def _update_panes(self) -> None:
        """Mark the current pane; on a small terminal, show it alone."""
        current = self._current_pane
        for name in ("run", "notes", "log"):
            self.set_class(name == current, f"-{name}")
        if self._detail_panes:
            alone = self.has_class("-narrow") and self.has_class("-short")
            self._detail_panes.set_current(current, clean_line(self._table.selected), is_only_pane=alone)

    def action_pane(self, direction: int) -> None:
        from imgexp_tui.tui.widgets.main.detail_panes import PANES

        self._chosen_pane = PANES[(PANES.index(self._current_pane) + direction) % len(PANES)]
        self._update_panes()

    def action_move(self, rows: int) -> None:
        with self.app.batch_update():
            self._table.move(rows)
            self._draw_selected()

    def action_scroll(self, rows: int) -> None:
        if self._detail_panes:
            self._detail_panes.pane(self._current_pane).scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        if self._detail_panes:
            pane = self._detail_panes.pane(self._current_pane)
            pane.scroll_relative(y=pages * max(1, pane.size.height - 1), animate=False)

    def on_list_pane_cursor_moved(self) -> None:
        if self._drawn_version != self._table.selected:
            with self.app.batch_update():
                self._draw_selected()

    def on_list_pane_item_opened(self) -> None:
        self.navigation.action_edit("takeaways")

    def action_leave(self) -> None:
        """Quit, and name the runs that go on in the terminal that the app was started from."""
        live = list(self._snapshot.live_versions)
        if live:
            go = "goes" if len(live) == 1 else "go"
            self.app.exit(message=f"{join_names(live)} {go} on; open the app again to watch.")
        else:
            self.app.exit()
