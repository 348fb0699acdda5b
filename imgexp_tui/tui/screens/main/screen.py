"""The main screen: the versions, and notes, run, log and machine of the one under the cursor.

It draws what the watching thread found and never reads a file itself. On a large terminal all panes stand side by side;
on a small one the current pane stands alone below the table: the run of a version that was live since the app was
opened, so that its last curves stay, and the notes of another.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from imgexp_tui.notebook.model import Version
from imgexp_tui.services.notebook_reader import read_notebook
from imgexp_tui.services.row_cache import RowCache
from imgexp_tui.text import clean_line, join_names
from imgexp_tui.tui.screens.main.navigation import Navigation
from imgexp_tui.tui.screens.main.version_actions import VERSION_BINDINGS
from imgexp_tui.tui.widgets.base.styled_view import StyledView
from imgexp_tui.tui.widgets.main.problem_banner import ProblemBanner
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import LabSnapshot
from imgexp_tui.views.runs.version_table import app_header

if TYPE_CHECKING:
    from imgexp_tui.notebook.diff import SettingChange
    from imgexp_tui.services.lab_watcher import LabWatcher
    from imgexp_tui.tui.widgets.main.detail_panes import DetailPanes


# Least often wanted first: these go from a footer that has no room for all keys.
DROPPABLE_KEYS = (
    *("filter", "version", "find", "ideas", "monitor", "predictions", "queue"),
    *("compare", "charts", "findings", "export", "log"),
)


_FIRST_FRAME_ROWS = 64
"""Rows that the first frame may show."""
_GC_FREEZE_DELAY = 1.0
"""Seconds after which what an app is made of has been loaded."""


def _freeze_and_enable_gc() -> None:
    """Collect garbage from now on, but never go through what was loaded so far: a key would wait for that."""
    gc.freeze()
    gc.enable()


class SnapshotReady(Message):
    """The watcher has something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotReady)


class MainScreen(Navigation):
    """The first screen.

    Args:
        lab: the folder with `experiments.toml`.
    """

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (38, "-tall")]
    BINDINGS = [
        Binding("e,enter", "edit('takeaways')", "Takeaways", tooltip="Write takeaways; also while it runs"),
        Binding("s", "edit('summary')", "Summary", tooltip="Write the summary"),
        Binding("r", "run", "Run", tooltip="Start a run of this version"),
        Binding("S", "stop", "Stop", tooltip="Stop this version's run; asks first"),
        Binding("R", "resume", "Resume", tooltip="Resume the run that is shown from its last checkpoint"),
        Binding("n", "new", "New", tooltip="New version from this one"),
        Binding("i", "ideas", "Next", tooltip="Open ideas of all versions: what to try next"),
        *VERSION_BINDINGS,
        Binding("Q", "queue", "Queue", tooltip="What runs and what waits on this machine, in which order"),
        Binding("d", "compare", "Compare", tooltip="All versions in a table; marked ones side by side"),
        Binding("c", "charts", "Charts", tooltip="This version's curves on the whole screen, and others over them"),
        Binding("m", "monitor", "Monitor", tooltip="The machine: every gauge with its past, and the processes"),
        Binding("l", "log", "Log", tooltip="The run's log on the whole screen"),
        Binding("p", "predictions", "Pictures", tooltip="The validation images that it gets most wrong; confusion"),
        Binding("F", "findings", "Findings", tooltip="What the run's numbers say, and what to do about it"),
        Binding("H", "history", "History", show=False, tooltip="Saved states of this version's notes; brings one back"),
        Binding("C", "commit", "Commit", show=False, tooltip="Commit the notebook with git, and nothing else"),
        Binding("x", "export", "Export", tooltip="Export the notebook as markdown"),
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
        self._lab = lab
        self._opened_notebook = read_notebook(lab)
        self._row_cache = RowCache(lab)
        book = self._opened_notebook.notebook
        first = list(book.versions)[:_FIRST_FRAME_ROWS] if book else []
        self._snapshot = LabSnapshot(book, self._opened_notebook.problem, self._row_cache.get_many(first))
        self._detail_panes: DetailPanes | None = None
        self._watcher: LabWatcher | None = None
        self._chosen_pane = ""
        self._were_live: set[str] = set()
        self._cursor_placed = False
        self._version_to_select = ""
        self._drawn_version = ""
        self._can_stop_or_resume: tuple[bool, bool] = (False, False)

    def compose(self) -> ComposeResult:
        """What the first frame shows; `_mount_panes` brings the rest, so that the versions stand there at once."""
        yield StyledView(id="header")
        yield ProblemBanner(id="trouble")
        head = StyledView(id="head")
        yield head
        yield VersionTable(head, id="versions")

    def on_mount(self) -> None:
        self._table = self.query_one(VersionTable)
        self._draw()
        self.call_after_refresh(self._mount_panes)

    async def _mount_panes(self) -> None:
        """Bring the panes and the keys, then begin to watch: reading runs must not delay the first frame."""
        from imgexp_tui.services.lab_watcher import LabWatcher
        from imgexp_tui.tui.terminal.notifier import AlertNotifier
        from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
        from imgexp_tui.tui.widgets.main.detail_panes import DetailPanes

        desk = DetailPanes(id="panes")
        await self.mount(desk, KeyFooter(DROPPABLE_KEYS))
        self._detail_panes = desk
        news = lambda: self.post_message(SnapshotReady())  # noqa: E731
        self._watcher = LabWatcher(self._lab, self._opened_notebook, news, AlertNotifier(self.app), self._row_cache)
        self.refresh_bindings()
        self._draw()
        self._watcher.start()
        self.set_timer(_GC_FREEZE_DELAY, _freeze_and_enable_gc)

    def on_unmount(self) -> None:
        if self._watcher:
            self._watcher.stop()

    def on_resize(self) -> None:
        self._draw_header()
        self._update_panes()

    # What was seen

    def on_snapshot_ready(self) -> None:
        if not self._watcher:
            return
        before, self._snapshot = self._snapshot, self._watcher.latest()
        self._were_live.update(self._snapshot.live_versions)
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
                # Most seconds bring nothing else, but everything grows older.
                self._detail_panes.show_machine(self._table.selected, self._snapshot)
                self._table.refresh_ages()
            else:
                self._draw()

    def on_screen_resume(self) -> None:
        if self._watcher:
            self._draw()

    @property
    def _is_hidden(self) -> bool:
        """Whether another screen stands over the whole of this one: a thousand rows would be drawn for nobody, while
        somebody types there."""
        stack = self.app.screen_stack
        return any(not screen.is_modal for screen in stack[stack.index(self) + 1 :]) if self in stack else True

    def _place_cursor(self) -> None:
        """Put the cursor on the run that is under way, or else on the newest one, unless it was moved already."""
        rows = self._snapshot.rows
        ran = [name for name in rows if rows[name].displayed_run]
        if ran and self._table.selected == next(iter(rows), ""):
            self._table.select_version(max(ran, key=lambda name: (rows[name].live > 0, rows[name].displayed_run)))

    def _draw(self) -> None:
        look = self._snapshot
        self._draw_header()
        self.query_one(ProblemBanner).show(look.notebook, look.problem)
        self._table.fill(self._version_filter.versions(look), look.rows, look.drafts)
        self._update_filter_bar()
        if look.notebook and self._version_to_select in look.notebook.versions:
            self._table.select_version(self._version_to_select)
            self._version_to_select = ""
        self._draw_selected()

    def _draw_header(self) -> None:
        book = self._snapshot.notebook
        title, count = (book.title, len(book.versions)) if book else (self._lab.absolute().name, 0)
        rows = self._snapshot.rows.values()
        live, queued = sum(row.live for row in rows), sum(row.queued for row in rows)
        shown = len(self._version_filter.versions(self._snapshot))
        self.query_one("#header", StyledView).set_lines(
            [app_header(title, live, queued, count, self.size.width, shown)]
        )

    def _draw_selected(self) -> None:
        """Show the version under the cursor. Its run follows where the watcher has not looked at it yet."""
        self._drawn_version = self._table.selected
        if self._detail_panes and self._watcher:
            name, version = self._table.selected, self._selected_version()
            self._watcher.select_version(name)
            look = self._watcher.prefetched(name) or self._snapshot
            self._detail_panes.show(name, version, self._changes(version), look)
        self._update_panes()
        self._update_run_keys()

    def _selected_version(self) -> Version | None:
        return self._snapshot.notebook.versions.get(self._table.selected) if self._snapshot.notebook else None

    def _changes(self, version: Version | None) -> Sequence[SettingChange]:
        if version is None or self._snapshot.notebook is None:
            return ()
        from imgexp_tui.notebook.diff import setting_changes

        return setting_changes(self._snapshot.notebook, version.name)

    def _update_run_keys(self) -> None:
        """Show the keys that do something now."""
        row = self._snapshot.rows.get(self._table.selected)
        able = (bool(row and row.live), bool(row and row.state and not row.live and row.state != "finished"))
        if able != self._can_stop_or_resume:
            self._can_stop_or_resume = able
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pane", "scroll", "page"):
            return self._detail_panes is not None
        if action == "all":
            return self._filter_bar is not None
        if action == "stop":
            return self._can_stop_or_resume[0]
        if action == "resume":
            return self._can_stop_or_resume[1]
        return True

    # Panes

    @property
    def _current_pane(self) -> str:
        """The current pane: the one that was chosen, else the run where one was live, and the notes otherwise."""
        return self._chosen_pane or ("run" if self._table.selected in self._were_live else "notes")

    def _update_panes(self) -> None:
        """Let the current pane stand out, or alone where there is little room."""
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
        self.action_edit("takeaways")

    # Keys

    def action_edit(self, field: str, line: int = 0) -> None:
        name = self._table.selected
        if not name:
            return
        from imgexp_tui.tui.screens.editor import EditorScreen

        row = self._snapshot.rows.get(name)
        editor = EditorScreen(self._lab, name, field, row.displayed_run if row else "", line)
        self.app.push_screen(editor, lambda _: self._refresh_now())

    def action_new(self) -> None:
        if self._snapshot.notebook is None:
            self._notify_user(self._snapshot.problem, "error")
            return
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        screen = NewVersionScreen(self._lab, self._snapshot.notebook, self._table.selected)
        self.app.push_screen(screen, self._version_created)

    def _version_created(self, name: str | None) -> None:
        if name:
            self._version_to_select = name
            self._refresh_now()

    @work(group="run")
    async def action_run(self) -> None:
        """Start a run of the version under the cursor."""
        book, name = self._snapshot.notebook, self._table.selected
        if book is None or not name:
            return
        row = self._snapshot.rows.get(name)
        under_way = f"{name} is {row.state}. Start another run of it?" if row and row.live else ""
        if under_way and not await self._confirm(under_way, "Start", "No"):
            return
        from imgexp_tui.services.actions import runs

        if await self._run_in_thread(partial(runs.start, book, name)):
            self._were_live.add(name)  # it may have ended before it is looked at

    @work(group="run")
    async def action_stop(self) -> None:
        run = self._snapshot.run
        if run is None or not run.live or run.version != self._table.selected:
            return
        question, yes, no = f"Stop {run.version}? It saves a checkpoint and can be resumed.", "Stop", "Keep it running"
        if run.state == "queued":
            question, yes, no = (
                f"Take {run.version} out of the queue? R puts it back.",
                "Take it out",
                "Keep it waiting",
            )
        if not await self._confirm(question, yes, no):
            return
        from imgexp_tui.services.actions import runs

        await self._run_in_thread(partial(runs.stop, self._lab, run.version, run.run))

    @work(group="run")
    async def action_resume(self) -> None:
        run = self._snapshot.run
        if run is None or run.version != self._table.selected:
            return
        from imgexp_tui.services.actions import runs

        await self._run_in_thread(partial(runs.resume, self._lab, run.version, run.run))

    @work(group="export")
    async def action_export(self) -> None:
        book = self._snapshot.notebook
        if book is None:
            return
        from imgexp_tui.services.actions import runs

        if await asyncio.to_thread(runs.would_overwrite, self._lab) and not await self._confirm(
            f"{runs.EXPORT_NAME} is there already and no export made it. Replace it?", "Replace", "Keep it"
        ):
            return
        await self._run_in_thread(partial(runs.export, book))

    async def _run_in_thread(self, action: Callable[[], str]) -> bool:
        """Do something in a thread, say how it went, and look at once. Whether it was done."""
        from imgexp_tui.services.actions.runs import ActionError

        try:
            self._notify_user(await asyncio.to_thread(action))
        except ActionError as error:
            self._notify_user(str(error), "error")
            return False
        finally:
            self._refresh_now()
        return True

    def _refresh_now(self) -> None:
        if self._watcher:
            self._watcher.refresh_now()

    async def _confirm(self, question: str, yes: str, no: str) -> bool:
        from imgexp_tui.tui.screens.confirm import ConfirmScreen

        answer: bool = await self.app.push_screen_wait(ConfirmScreen(question, yes, no))
        return answer

    def action_history(self) -> None:
        if not self._table.selected:
            return
        from imgexp_tui.tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen(self._lab, self._table.selected), lambda _: self._refresh_now())

    @work(exclusive=True, group="commit")
    async def action_commit(self) -> None:
        from imgexp_tui.tui.screens.commit import CommitScreen, plan_commit

        found = await asyncio.to_thread(plan_commit, self._lab)
        if isinstance(found, str):
            self._notify_user(found, "warning")
            return
        message = await self.app.push_screen_wait(CommitScreen(found))
        if message:
            from imgexp_tui.services.actions import runs

            await self._run_in_thread(partial(runs.commit, self._lab, message))

    def _select_and_refresh(self, version: str | None) -> None:
        if version:
            self._reveal_version(version)
            self._table.select_version(version)
        self._refresh_now()

    def action_leave(self) -> None:
        """Quit. What is under way is named on the terminal that one comes back to."""
        live = list(self._snapshot.live_versions)
        if live:
            go = "goes" if len(live) == 1 else "go"
            self.app.exit(message=f"{join_names(live)} {go} on; open the app again to watch.")
        else:
            self.app.exit()

    def _notify_user(self, sentence: str, severity: str = "information") -> None:
        # What went wrong is longer to read than what was done.
        seconds = None if severity == "information" else 8.0
        self.app.notify(clean_line(sentence), severity=severity, timeout=seconds, markup=False)  # type: ignore[arg-type]
