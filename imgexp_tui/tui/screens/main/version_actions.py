"""The main screen's keys for finding versions and for versions as things: search, filter, archive, menu.

A part of the main screen in a file of its own; it shares that screen's look, table and ways to do and to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from textual import work
from textual.binding import Binding

from imgexp_tui.notebook.model import Version
from imgexp_tui.services.version_filter import Sieve
from imgexp_tui.tui.widgets.base.styled_view import LineScreen
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import Look

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.notebook.search import Hit
    from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

KEYS = [
    Binding("slash", "find", "Find", tooltip="Search all notes and settings"),
    Binding("f", "filter", "Filter", tooltip="Show the versions that fit: state:failed tag:seed valid/loss<0.3 words"),
    Binding("v", "version", "Version", tooltip="Rename, tag, archive, move or delete this version"),
    Binding("A", "archived", "Archived", show=False, tooltip="Show archived versions, or hide them"),
    Binding("less_than_sign", "shift(-1)", "Move up", show=False, tooltip="Move this version up in the file"),
    Binding("greater_than_sign", "shift(1)", "Move down", show=False, tooltip="Move this version down in the file"),
    Binding("escape", "all", "Show all", show=False, tooltip="End the filter"),
]


class VersionKeys(LineScreen[None]):
    """What the keys above do."""

    _lab: Path
    _look: Look
    _table: VersionTable

    def __init__(self) -> None:
        super().__init__()
        self._sieve = Sieve()
        self._bar: FilterBar | None = None
        self._searched: tuple[str, int] = ("", 0)
        self._moved_in: Notebook | None = None

    # What the main screen gives

    def _draw(self) -> None:
        raise NotImplementedError

    def _version(self) -> Version | None:
        raise NotImplementedError

    def _do(self, deed: Callable[[], str]) -> Coroutine[Any, Any, bool]:
        raise NotImplementedError

    def _confirm(self, question: str, yes: str, no: str) -> Coroutine[Any, Any, bool]:
        raise NotImplementedError

    def _say(self, sentence: str, severity: str = "information") -> None:
        raise NotImplementedError

    def action_edit(self, field: str, line: int = 0) -> None:
        raise NotImplementedError

    # Search

    def action_find(self) -> None:
        if self._look.notebook is None:
            self._say(self._look.trouble, "error")
            return
        from imgexp_tui.tui.screens.search import FindScreen

        screen = FindScreen(self._look.notebook, *self._searched)

        def ended(hit: Hit | None) -> None:
            self._searched = screen.sought, screen.at
            if hit:
                self._go_to(hit)

        self.app.push_screen(screen, ended)

    def _go_to(self, hit: Hit) -> None:
        self._bring_in_sight(hit.version)
        self._table.pick(hit.version)
        if hit.in_note and self._table.picked == hit.version:
            self.action_edit(hit.where, hit.line)

    def _bring_in_sight(self, name: str) -> None:
        """Show a version that the filter or the archive hides."""
        book = self._look.notebook
        if book is None or name not in book.versions or name in self._sieve.versions(self._look):
            return
        self._sieve.archived = self._sieve.archived or book.versions[name].archived
        self.action_all()

    # What is shown

    async def action_filter(self) -> None:
        if self._bar is None:
            from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

            self._bar = FilterBar()
            await self.mount(self._bar, before="#head")
            self._tell_filter()
        else:
            self._bar.begin()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        self._sieve.set(message.text, self._look)
        self._draw()

    def on_filter_bar_left(self, message: FilterBar.Left) -> None:
        if message.ended:
            self.action_all()
        else:
            self.set_focus(None)

    def action_all(self) -> None:
        """End the filter."""
        self.set_focus(None)
        if self._bar:
            self._bar.remove()
            self._bar = None
        self._sieve.set("", self._look)
        self._draw()

    def _tell_filter(self) -> None:
        """Say in the filter's line what is shown; with each drawing."""
        if self._bar and self._bar.is_mounted:
            count = len(self._look.notebook.versions) if self._look.notebook else 0
            self._bar.tell(len(self._sieve.versions(self._look)), count, self._sieve.mistake)

    def action_archived(self) -> None:
        book = self._look.notebook
        count = sum(version.archived for version in book.versions.values()) if book else 0
        if not count:
            self._say("No version is archived; v, a archives one.")
            return
        self._sieve.archived = not self._sieve.archived
        self._draw()

    # A version as a thing

    @work(group="version", exclusive=True)
    async def action_version(self) -> None:
        """Ask what to do with the version under the cursor, and do it."""
        version = self._version()
        if version is None:
            return
        from imgexp_tui.tui.screens.version_menu import VersionMenu

        menu = VersionMenu(version.name, archived=version.archived)
        match await self.app.push_screen_wait(menu):
            case "rename":
                await self._rename(version)
            case "tags":
                await self._tag(version)
            case "archive":
                await self._do(partial(deeds().archive, self._lab, version.name, archived=not version.archived))
            case "up":
                await self._move(-1)
            case "down":
                await self._move(1)
            case "delete":
                await self._delete(version)

    async def _rename(self, version: Version) -> None:
        from imgexp_tui.notebook.toml.versions import name_fault
        from imgexp_tui.tui.screens.prompt import PromptScreen

        others = [
            name for name in (self._look.notebook.versions if self._look.notebook else ()) if name != version.name
        ]

        def fault(name: str) -> str:
            return f"{found}." if (found := name_fault(name, others)) else ""

        remark = "Its runs and what builds on it follow. What notes say of it stays as it was written."
        prompt = PromptScreen(f"Rename {version.name} to", version.name, remark, fault)
        name = await self.app.push_screen_wait(prompt)
        if name and name != version.name:
            await self._do(partial(deeds().rename, self._lab, version.name, name))

    async def _tag(self, version: Version) -> None:
        from imgexp_tui.tui.screens.prompt import PromptScreen

        book = self._look.notebook
        known = {tag for one in book.versions.values() for tag in one.tags} - set(version.tags) if book else set()
        remark = f"Words, apart by blanks. Others have: {' '.join(sorted(known)[:12])}" if known else ""
        question = f"Tags of {version.name}"
        remark = remark or "Words, apart by blanks, such as baseline seed. f finds them: tag:seed"
        prompt = PromptScreen(question, " ".join(version.tags), remark, deeds().typed_tags_fault)
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            await self._do(partial(deeds().tag, self._lab, version, deeds().tags_of(text)))

    @work(group="version")
    async def action_shift(self, places: int) -> None:
        await self._move(places)

    async def _move(self, places: int) -> None:
        """Move the version under the cursor by a place among those that are shown."""
        book, name = self._look.notebook, self._table.picked
        order = list(self._sieve.versions(self._look))
        at = order.index(name) + places if name in order else -1
        # A key that repeats before the last move is seen would move against an order that is gone.
        if not 0 <= at < len(order) or self._moved_in is book:
            return
        self._moved_in = book
        if not await self._do(partial(deeds().move, self._lab, name, order[at])):
            self._moved_in = None

    async def _delete(self, version: Version) -> None:
        book = self._look.notebook
        others = list(book.versions.values()) if book else []
        why = await asyncio.to_thread(deeds().why_not_deleted, self._lab, version, others)
        if why:
            self._say(why, "warning")
            return
        question = f"Delete {version.name} from the notebook? {deeds().what_goes(version)}"
        if await self._confirm(question, "Delete", "Keep it"):
            await self._do(partial(deeds().delete, self._lab, version.name))


def deeds() -> ModuleType:
    """What is done to versions; loaded when a key asks for it."""
    from imgexp_tui.services.actions import versions

    return versions
