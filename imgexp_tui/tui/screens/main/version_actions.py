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
from imgexp_tui.services.version_filter import VersionFilter
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.lab import LabSnapshot

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.notebook.search import Hit
    from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

VERSION_BINDINGS = [
    Binding("slash", "find", "Find", tooltip="Search all notes and settings"),
    Binding("f", "filter", "Filter", tooltip="Show the versions that fit: state:failed tag:seed valid/loss<0.3 words"),
    Binding("v", "version", "Version", tooltip="Rename, tag, archive, move or delete this version"),
    Binding("A", "archived", "Archived", show=False, tooltip="Show archived versions, or hide them"),
    Binding("less_than_sign", "shift(-1)", "Move up", show=False, tooltip="Move this version up in the file"),
    Binding("greater_than_sign", "shift(1)", "Move down", show=False, tooltip="Move this version down in the file"),
    Binding("escape", "all", "Show all", show=False, tooltip="End the filter"),
]


class VersionActions(StyledScreen[None]):
    """What the keys above do."""

    _lab: Path
    _snapshot: LabSnapshot
    _table: VersionTable

    def __init__(self) -> None:
        super().__init__()
        self._version_filter = VersionFilter()
        self._filter_bar: FilterBar | None = None
        self._last_search: tuple[str, int] = ("", 0)
        self._moved_in_notebook: Notebook | None = None

    # What the main screen gives

    def _draw(self) -> None:
        raise NotImplementedError

    def _selected_version(self) -> Version | None:
        raise NotImplementedError

    def _run_in_thread(self, action: Callable[[], str]) -> Coroutine[Any, Any, bool]:
        raise NotImplementedError

    def _confirm(self, question: str, yes: str, no: str) -> Coroutine[Any, Any, bool]:
        raise NotImplementedError

    def _notify_user(self, sentence: str, severity: str = "information") -> None:
        raise NotImplementedError

    def action_edit(self, field: str, line: int = 0) -> None:
        raise NotImplementedError

    # Search

    def action_find(self) -> None:
        if self._snapshot.notebook is None:
            self._notify_user(self._snapshot.problem, "error")
            return
        from imgexp_tui.tui.screens.search import SearchScreen

        screen = SearchScreen(self._snapshot.notebook, *self._last_search)

        def ended(hit: Hit | None) -> None:
            self._last_search = screen.search_text, screen.selected_index
            if hit:
                self._open_hit(hit)

        self.app.push_screen(screen, ended)

    def _open_hit(self, hit: Hit) -> None:
        self._reveal_version(hit.version)
        self._table.select_version(hit.version)
        if hit.is_in_note and self._table.selected == hit.version:
            self.action_edit(hit.field, hit.line)

    def _reveal_version(self, name: str) -> None:
        """Show a version that the filter or the archive hides."""
        book = self._snapshot.notebook
        if book is None or name not in book.versions or name in self._version_filter.versions(self._snapshot):
            return
        self._version_filter.show_archived = self._version_filter.show_archived or book.versions[name].archived
        self.action_all()

    # What is shown

    async def action_filter(self) -> None:
        if self._filter_bar is None:
            from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

            self._filter_bar = FilterBar()
            await self.mount(self._filter_bar, before="#head")
            self._update_filter_bar()
        else:
            self._filter_bar.focus_input()

    def on_filter_bar_query_changed(self, message: FilterBar.QueryChanged) -> None:
        self._version_filter.set_text(message.text, self._snapshot)
        self._draw()

    def on_filter_bar_exited(self, message: FilterBar.Exited) -> None:
        if message.cleared:
            self.action_all()
        else:
            self.set_focus(None)

    def action_all(self) -> None:
        """End the filter."""
        self.set_focus(None)
        if self._filter_bar:
            self._filter_bar.remove()
            self._filter_bar = None
        self._version_filter.set_text("", self._snapshot)
        self._draw()

    def _update_filter_bar(self) -> None:
        """Say in the filter's line what is shown; with each drawing."""
        if self._filter_bar and self._filter_bar.is_mounted:
            count = len(self._snapshot.notebook.versions) if self._snapshot.notebook else 0
            self._filter_bar.show(len(self._version_filter.versions(self._snapshot)), count, self._version_filter.error)

    def action_archived(self) -> None:
        book = self._snapshot.notebook
        count = sum(version.archived for version in book.versions.values()) if book else 0
        if not count:
            self._notify_user("No version is archived; v, a archives one.")
            return
        self._version_filter.show_archived = not self._version_filter.show_archived
        self._draw()

    # A version as a thing

    @work(group="version", exclusive=True)
    async def action_version(self) -> None:
        """Ask what to do with the version under the cursor, and do it."""
        version = self._selected_version()
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
                await self._run_in_thread(
                    partial(version_actions().archive, self._lab, version.name, archived=not version.archived)
                )
            case "up":
                await self._move(-1)
            case "down":
                await self._move(1)
            case "delete":
                await self._delete(version)

    async def _rename(self, version: Version) -> None:
        from imgexp_tui.notebook.toml.versions import version_name_error
        from imgexp_tui.tui.screens.prompt import PromptScreen

        others = [
            name
            for name in (self._snapshot.notebook.versions if self._snapshot.notebook else ())
            if name != version.name
        ]

        def fault(name: str) -> str:
            return f"{found}." if (found := version_name_error(name, others)) else ""

        remark = "Its runs and what builds on it follow. What notes say of it stays as it was written."
        prompt = PromptScreen(f"Rename {version.name} to", version.name, remark, fault)
        name = await self.app.push_screen_wait(prompt)
        if name and name != version.name:
            await self._run_in_thread(partial(version_actions().rename, self._lab, version.name, name))

    async def _tag(self, version: Version) -> None:
        from imgexp_tui.tui.screens.prompt import PromptScreen

        book = self._snapshot.notebook
        known = {tag for one in book.versions.values() for tag in one.tags} - set(version.tags) if book else set()
        remark = f"Words, apart by blanks. Others have: {' '.join(sorted(known)[:12])}" if known else ""
        question = f"Tags of {version.name}"
        remark = remark or "Words, apart by blanks, such as baseline seed. f finds them: tag:seed"
        prompt = PromptScreen(question, " ".join(version.tags), remark, version_actions().tags_problem)
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            await self._run_in_thread(
                partial(version_actions().set_tags, self._lab, version, version_actions().parse_tags(text))
            )

    @work(group="version")
    async def action_shift(self, positions: int) -> None:
        await self._move(positions)

    async def _move(self, positions: int) -> None:
        """Move the version under the cursor by a place among those that are shown."""
        book, name = self._snapshot.notebook, self._table.selected
        order = list(self._version_filter.versions(self._snapshot))
        at = order.index(name) + positions if name in order else -1
        # A key that repeats before the last move is seen would move against an order that is gone.
        if not 0 <= at < len(order) or self._moved_in_notebook is book:
            return
        self._moved_in_notebook = book
        if not await self._run_in_thread(partial(version_actions().move, self._lab, name, order[at])):
            self._moved_in_notebook = None

    async def _delete(self, version: Version) -> None:
        book = self._snapshot.notebook
        others = list(book.versions.values()) if book else []
        why = await asyncio.to_thread(version_actions().deletion_obstacle, self._lab, version, others)
        if why:
            self._notify_user(why, "warning")
            return
        question = f"Delete {version.name} from the notebook? {version_actions().describe_deletion(version)}"
        if await self._confirm(question, "Delete", "Keep it"):
            await self._run_in_thread(partial(version_actions().delete, self._lab, version.name))


def version_actions() -> ModuleType:
    """What is done to versions; loaded when a key asks for it."""
    from imgexp_tui.services.actions import versions

    return versions
