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
from imgexp_tui.services.notebook_reader import opened
from imgexp_tui.services.row_cache import KeptRows
from imgexp_tui.text import clean_line, listed
from imgexp_tui.tui.screens.main.navigation import ScreenKeys
from imgexp_tui.tui.screens.main.version_actions import KEYS
from imgexp_tui.tui.widgets.base.styled_view import LineView
from imgexp_tui.tui.widgets.main.problem_banner import TroubleView
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import Look
from imgexp_tui.views.runs.version_table import header

if TYPE_CHECKING:
    from imgexp_tui.notebook.diff import Change
    from imgexp_tui.services.lab_watcher import Watcher
    from imgexp_tui.tui.widgets.main.detail_panes import Desk


# Least often wanted first: these go from a footer that has no room for all keys.
SPARE_KEYS = (
    *("filter", "version", "find", "ideas", "monitor", "answers", "queue"),
    *("compare", "charts", "findings", "export", "log"),
)


_IN_SIGHT = 64
"""Rows that the first frame may show."""
_LOADED = 1.0
"""Seconds after which what an app is made of has been loaded."""


def _collect_again() -> None:
    """Collect garbage from now on, but never go through what was loaded so far: a key would wait for that."""
    gc.freeze()
    gc.enable()


class Looked(Message):
    """The watcher has something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Looked)


class MainScreen(ScreenKeys):
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
        *KEYS,
        Binding("Q", "queue", "Queue", tooltip="What runs and what waits on this machine, in which order"),
        Binding("d", "compare", "Compare", tooltip="All versions in a table; marked ones side by side"),
        Binding("c", "charts", "Charts", tooltip="This version's curves on the whole screen, and others over them"),
        Binding("m", "monitor", "Monitor", tooltip="The machine: every gauge with its past, and the processes"),
        Binding("l", "log", "Log", tooltip="The run's log on the whole screen"),
        Binding("p", "answers", "Pictures", tooltip="The validation images that it gets most wrong; confusion"),
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
        self._read = opened(lab)
        self._kept = KeptRows(lab)
        book = self._read.notebook
        first = list(book.versions)[:_IN_SIGHT] if book else []
        self._look = Look(book, self._read.trouble, self._kept.rows(first))
        self._desk: Desk | None = None
        self._watcher: Watcher | None = None
        self._chosen = ""
        self._were_live: set[str] = set()
        self._settled = False
        self._wanted = ""
        self._drawn = ""
        self._able: tuple[bool, bool] = (False, False)

    def compose(self) -> ComposeResult:
        """What the first frame shows; `_furnish` brings the rest, so that the versions stand there at once."""
        yield LineView(id="header")
        yield TroubleView(id="trouble")
        head = LineView(id="head")
        yield head
        yield VersionTable(head, id="versions")

    def on_mount(self) -> None:
        self._table = self.query_one(VersionTable)
        self._draw()
        self.call_after_refresh(self._furnish)

    async def _furnish(self) -> None:
        """Bring the panes and the keys, then begin to watch: reading runs must not delay the first frame."""
        from imgexp_tui.services.lab_watcher import Watcher
        from imgexp_tui.tui.terminal.notifier import Ringer
        from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
        from imgexp_tui.tui.widgets.main.detail_panes import Desk

        desk = Desk(id="panes")
        await self.mount(desk, KeyFooter(SPARE_KEYS))
        self._desk = desk
        news = lambda: self.post_message(Looked())  # noqa: E731
        self._watcher = Watcher(self._lab, self._read, news, Ringer(self.app), self._kept)
        self.refresh_bindings()
        self._draw()
        self._watcher.start()
        self.set_timer(_LOADED, _collect_again)

    def on_unmount(self) -> None:
        if self._watcher:
            self._watcher.stop()

    def on_resize(self) -> None:
        self._draw_header()
        self._arrange()

    # What was seen

    def on_looked(self) -> None:
        if not self._watcher:
            return
        before, self._look = self._look, self._watcher.take()
        self._were_live.update(self._look.live)
        if not self._settled and self._look.rows:
            self._settled = True
            self._begin()
        if self._hidden:
            return
        with self.app.batch_update():
            if self._desk and not self._wanted and replace(before, machine=self._look.machine) == self._look:
                # Most seconds bring nothing else, but everything grows older.
                self._desk.tell_machine(self._table.picked, self._look)
                self._table.tell_ages()
            else:
                self._draw()

    def on_screen_resume(self) -> None:
        if self._watcher:
            self._draw()

    @property
    def _hidden(self) -> bool:
        """Whether another screen stands over the whole of this one: a thousand rows would be drawn for nobody, while
        somebody types there."""
        stack = self.app.screen_stack
        return any(not screen.is_modal for screen in stack[stack.index(self) + 1 :]) if self in stack else True

    def _begin(self) -> None:
        """Put the cursor on the run that is under way, or else on the newest one, unless it was moved already."""
        rows = self._look.rows
        ran = [name for name in rows if rows[name].shown]
        if ran and self._table.picked == next(iter(rows), ""):
            self._table.pick(max(ran, key=lambda name: (rows[name].live > 0, rows[name].shown)))

    def _draw(self) -> None:
        look = self._look
        self._draw_header()
        self.query_one(TroubleView).tell(look.notebook, look.trouble)
        self._table.fill(self._sieve.versions(look), look.rows, look.drafts)
        self._tell_filter()
        if look.notebook and self._wanted in look.notebook.versions:
            self._table.pick(self._wanted)
            self._wanted = ""
        self._draw_picked()

    def _draw_header(self) -> None:
        book = self._look.notebook
        title, count = (book.title, len(book.versions)) if book else (self._lab.absolute().name, 0)
        rows = self._look.rows.values()
        live, queued = sum(row.live for row in rows), sum(row.queued for row in rows)
        shown = len(self._sieve.versions(self._look))
        self.query_one("#header", LineView).show([header(title, live, queued, count, self.size.width, shown)])

    def _draw_picked(self) -> None:
        """Show the version under the cursor. Its run follows where the watcher has not looked at it yet."""
        self._drawn = self._table.picked
        if self._desk and self._watcher:
            name, version = self._table.picked, self._version()
            self._watcher.show(name)
            look = self._watcher.ahead(name) or self._look
            self._desk.tell(name, version, self._changes(version), look)
        self._arrange()
        self._offer()

    def _version(self) -> Version | None:
        return self._look.notebook.versions.get(self._table.picked) if self._look.notebook else None

    def _changes(self, version: Version | None) -> Sequence[Change]:
        if version is None or self._look.notebook is None:
            return ()
        from imgexp_tui.notebook.diff import changes

        return changes(self._look.notebook, version.name)

    def _offer(self) -> None:
        """Show the keys that do something now."""
        row = self._look.rows.get(self._table.picked)
        able = (bool(row and row.live), bool(row and row.state and not row.live and row.state != "finished"))
        if able != self._able:
            self._able = able
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pane", "scroll", "page"):
            return self._desk is not None
        if action == "all":
            return self._bar is not None
        if action == "stop":
            return self._able[0]
        if action == "resume":
            return self._able[1]
        return True

    # Panes

    @property
    def _pane(self) -> str:
        """The current pane: the one that was chosen, else the run where one was live, and the notes otherwise."""
        return self._chosen or ("run" if self._table.picked in self._were_live else "notes")

    def _arrange(self) -> None:
        """Let the current pane stand out, or alone where there is little room."""
        current = self._pane
        for name in ("run", "notes", "log"):
            self.set_class(name == current, f"-{name}")
        if self._desk:
            alone = self.has_class("-narrow") and self.has_class("-short")
            self._desk.set_current(current, clean_line(self._table.picked), alone=alone)

    def action_pane(self, way: int) -> None:
        from imgexp_tui.tui.widgets.main.detail_panes import PANES

        self._chosen = PANES[(PANES.index(self._pane) + way) % len(PANES)]
        self._arrange()

    def action_move(self, rows: int) -> None:
        with self.app.batch_update():
            self._table.move(rows)
            self._draw_picked()

    def action_scroll(self, rows: int) -> None:
        if self._desk:
            self._desk.pane(self._pane).scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        if self._desk:
            pane = self._desk.pane(self._pane)
            pane.scroll_relative(y=pages * max(1, pane.size.height - 1), animate=False)

    def on_cursor_pane_moved(self) -> None:
        if self._drawn != self._table.picked:
            with self.app.batch_update():
                self._draw_picked()

    def on_cursor_pane_opened(self) -> None:
        self.action_edit("takeaways")

    # Keys

    def action_edit(self, field: str, line: int = 0) -> None:
        name = self._table.picked
        if not name:
            return
        from imgexp_tui.tui.screens.editor import EditorScreen

        row = self._look.rows.get(name)
        editor = EditorScreen(self._lab, name, field, row.shown if row else "", line)
        self.app.push_screen(editor, lambda _: self._hurry())

    def action_new(self) -> None:
        if self._look.notebook is None:
            self._say(self._look.trouble, "error")
            return
        from imgexp_tui.tui.screens.new_version import NewVersionScreen

        screen = NewVersionScreen(self._lab, self._look.notebook, self._table.picked)
        self.app.push_screen(screen, self._made)

    def _made(self, name: str | None) -> None:
        if name:
            self._wanted = name
            self._hurry()

    @work(group="run")
    async def action_run(self) -> None:
        """Start a run of the version under the cursor."""
        book, name = self._look.notebook, self._table.picked
        if book is None or not name:
            return
        row = self._look.rows.get(name)
        under_way = f"{name} is {row.state}. Start another run of it?" if row and row.live else ""
        if under_way and not await self._confirm(under_way, "Start", "No"):
            return
        from imgexp_tui.services.actions import runs

        if await self._do(partial(runs.start, book, name)):
            self._were_live.add(name)  # it may have ended before it is looked at

    @work(group="run")
    async def action_stop(self) -> None:
        run = self._look.run
        if run is None or not run.live or run.version != self._table.picked:
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

        await self._do(partial(runs.stop, self._lab, run.version, run.run))

    @work(group="run")
    async def action_resume(self) -> None:
        run = self._look.run
        if run is None or run.version != self._table.picked:
            return
        from imgexp_tui.services.actions import runs

        await self._do(partial(runs.resume, self._lab, run.version, run.run))

    @work(group="export")
    async def action_export(self) -> None:
        book = self._look.notebook
        if book is None:
            return
        from imgexp_tui.services.actions import runs

        if await asyncio.to_thread(runs.would_replace, self._lab) and not await self._confirm(
            f"{runs.EXPORT} is there already and no export made it. Replace it?", "Replace", "Keep it"
        ):
            return
        await self._do(partial(runs.export, book))

    async def _do(self, deed: Callable[[], str]) -> bool:
        """Do something in a thread, say how it went, and look at once. Whether it was done."""
        from imgexp_tui.services.actions.runs import DeedError

        try:
            self._say(await asyncio.to_thread(deed))
        except DeedError as error:
            self._say(str(error), "error")
            return False
        finally:
            self._hurry()
        return True

    def _hurry(self) -> None:
        if self._watcher:
            self._watcher.hurry()

    async def _confirm(self, question: str, yes: str, no: str) -> bool:
        from imgexp_tui.tui.screens.confirm import ConfirmScreen

        answer: bool = await self.app.push_screen_wait(ConfirmScreen(question, yes, no))
        return answer

    def action_history(self) -> None:
        if not self._table.picked:
            return
        from imgexp_tui.tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen(self._lab, self._table.picked), lambda _: self._hurry())

    @work(exclusive=True, group="commit")
    async def action_commit(self) -> None:
        from imgexp_tui.tui.screens.commit import CommitScreen, plan

        found = await asyncio.to_thread(plan, self._lab)
        if isinstance(found, str):
            self._say(found, "warning")
            return
        message = await self.app.push_screen_wait(CommitScreen(found))
        if message:
            from imgexp_tui.services.actions import runs

            await self._do(partial(runs.commit, self._lab, message))

    def _return_to(self, version: str | None) -> None:
        if version:
            self._bring_in_sight(version)
            self._table.pick(version)
        self._hurry()

    def action_leave(self) -> None:
        """Quit. What is under way is named on the terminal that one comes back to."""
        live = list(self._look.live)
        if live:
            go = "goes" if len(live) == 1 else "go"
            self.app.exit(message=f"{listed(live)} {go} on; open the app again to watch.")
        else:
            self.app.exit()

    def _say(self, sentence: str, severity: str = "information") -> None:
        # What went wrong is longer to read than what was done.
        seconds = None if severity == "information" else 8.0
        self.app.notify(clean_line(sentence), severity=severity, timeout=seconds, markup=False)  # type: ignore[arg-type]
