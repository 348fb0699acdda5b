"""The main screen's keys that find versions (search, filter, archive) and change them (rename, tag, move, delete)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding
from textual.screen import Screen

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.screens.main.controller import Controller, FilterChanged, VersionRequested
from imgexp_tui.tui.screens.main.state import MainState
from imgexp_tui.tui.widgets.main.version_table import VersionTable

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.notebook.search import Hit
    from imgexp_tui.tui.widgets.main.filter_bar import FilterBar


class VersionActions(Controller):
    """Finds, filters and changes versions. `services.actions.versions` is loaded when a key needs it."""

    BINDINGS: ClassVar[list[Binding]] = [
        Binding("slash", "find", "Find", tooltip="Search all notes and settings"),
        Binding(
            "f", "filter", "Filter", tooltip="Show the versions that fit: state:failed tag:seed valid/loss<0.3 words"
        ),
        Binding("v", "version", "Version", tooltip="Rename, tag, archive, move or delete this version"),
        Binding("A", "archived", "Archived", show=False, tooltip="Show archived versions, or hide them"),
        Binding("less_than_sign", "shift(-1)", "Move up", show=False, tooltip="Move this version up in the file"),
        Binding("greater_than_sign", "shift(1)", "Move down", show=False, tooltip="Move this version down in the file"),
        Binding("escape", "all", "Show all", show=False, tooltip="End the filter"),
    ]

    def __init__(self, screen: Screen[Any], state: MainState, table: VersionTable) -> None:
        super().__init__(screen, state, table)
        self._filter_bar: FilterBar | None = None
        self._last_search: tuple[str, int] = ("", 0)
        self._moved_in_notebook: Notebook | None = None

    def is_enabled(self, action: str) -> bool:
        return self._filter_bar is not None if action == "all" else True

    def action_find(self) -> None:
        if self.state.snapshot.notebook is None:
            self.runner.notify(self.state.snapshot.problem, "error")
            return
        from imgexp_tui.tui.screens.search import SearchScreen

        screen = SearchScreen(self.state.snapshot.notebook, *self._last_search)

        def ended(hit: Hit | None) -> None:
            self._last_search = screen.search_text, screen.selected_index
            if hit:
                self._open_hit(hit)

        self.screen.app.push_screen(screen, ended)

    def _open_hit(self, hit: Hit) -> None:
        in_note = (hit.field, hit.line) if hit.is_in_note else ()
        self.screen.post_message(VersionRequested(hit.version, *in_note))

    def reveal(self, name: str) -> bool:
        """End the filter, and show archived versions, if one of these hides a version. Returns whether one did."""
        snapshot, version_filter = self.state.snapshot, self.state.version_filter
        book = snapshot.notebook
        if book is None or name not in book.versions or name in version_filter.versions(snapshot):
            return False
        version_filter.show_archived = version_filter.show_archived or book.versions[name].archived
        self._end_filter()
        return True

    async def action_filter(self) -> None:
        if self._filter_bar is None:
            from imgexp_tui.tui.widgets.main.filter_bar import FilterBar

            self._filter_bar = FilterBar()
            await self.screen.mount(self._filter_bar, before="#head")
            self.update_filter_bar()
        else:
            self._filter_bar.focus_input()

    def set_filter(self, text: str) -> None:
        """Show the versions that fit a filter."""
        self.state.version_filter.set_text(text, self.state.snapshot)
        self.screen.post_message(FilterChanged())

    def action_all(self) -> None:
        """End the filter."""
        self._end_filter()
        self.screen.post_message(FilterChanged())

    def _end_filter(self) -> None:
        self.screen.set_focus(None)
        if self._filter_bar:
            self._filter_bar.remove()
            self._filter_bar = None
        self.state.version_filter.set_text("", self.state.snapshot)

    def update_filter_bar(self) -> None:
        """Show in the filter's line how many versions fit, or what is wrong with the filter."""
        if self._filter_bar and self._filter_bar.is_mounted:
            snapshot, version_filter = self.state.snapshot, self.state.version_filter
            count = len(snapshot.notebook.versions) if snapshot.notebook else 0
            self._filter_bar.show(len(version_filter.versions(snapshot)), count, version_filter.error)

    def action_archived(self) -> None:
        book = self.state.snapshot.notebook
        count = sum(version.archived for version in book.versions.values()) if book else 0
        if not count:
            self.runner.notify("No version is archived; v, a archives one.")
            return
        self.state.version_filter.show_archived = not self.state.version_filter.show_archived
        self.screen.post_message(FilterChanged())

    def action_version(self) -> None:
        """Ask what to do with the version under the cursor, and do it."""
        self.screen.run_worker(self._open_menu(), group="version", exclusive=True)

    async def _open_menu(self) -> None:
        version = self.selected_version
        if version is None:
            return
        from imgexp_tui.services.actions import versions
        from imgexp_tui.tui.screens.dialogs.version_menu import VersionMenu

        menu = VersionMenu(version.name, archived=version.archived)
        match await self.screen.app.push_screen_wait(menu):
            case "rename":
                await self._rename(version)
            case "tags":
                await self._tag(version)
            case "archive":
                await self.runner.run(
                    partial(versions.archive, self.state.lab, version.name, archived=not version.archived)
                )
            case "up":
                await self._move(-1)
            case "down":
                await self._move(1)
            case "delete":
                await self._delete(version)

    async def _rename(self, version: Version) -> None:
        from imgexp_tui.notebook.toml.versions import version_name_error
        from imgexp_tui.services.actions import versions
        from imgexp_tui.tui.screens.dialogs.prompt import PromptScreen

        other_names = [
            name
            for name in (self.state.snapshot.notebook.versions if self.state.snapshot.notebook else ())
            if name != version.name
        ]

        def fault(name: str) -> str:
            return f"{problem}." if (problem := version_name_error(name, other_names)) else ""

        remark = "Its runs and what builds on it follow. What notes say of it stays as it was written."
        prompt = PromptScreen(f"Rename {version.name} to", version.name, remark, fault)
        name = await self.screen.app.push_screen_wait(prompt)
        if name and name != version.name:
            await self.runner.run(partial(versions.rename, self.state.lab, version.name, name))

    async def _tag(self, version: Version) -> None:
        from imgexp_tui.services.actions import versions
        from imgexp_tui.tui.screens.dialogs.prompt import PromptScreen

        book = self.state.snapshot.notebook
        known = {tag for one in book.versions.values() for tag in one.tags} - set(version.tags) if book else set()
        remark = f"Words, apart by blanks. Others have: {' '.join(sorted(known)[:12])}" if known else ""
        question = f"Tags of {version.name}"
        remark = remark or "Words, apart by blanks, such as baseline seed. f finds them: tag:seed"
        prompt = PromptScreen(question, " ".join(version.tags), remark, versions.tags_problem)
        text = await self.screen.app.push_screen_wait(prompt)
        if text is not None:
            await self.runner.run(partial(versions.set_tags, self.state.lab, version, versions.parse_tags(text)))

    def action_shift(self, positions: int) -> None:
        """Move the version under the cursor down in the file, or up with a negative number."""
        self.screen.run_worker(self._move(positions), group="version")

    async def _move(self, positions: int) -> None:
        """Move the version under the cursor among those that the table shows."""
        from imgexp_tui.services.actions import versions

        book, name = self.state.snapshot.notebook, self.table.selected
        order = list(self.state.version_filter.versions(self.state.snapshot))
        at = order.index(name) + positions if name in order else -1
        # A key that repeats before the watcher has read the last move would move against an outdated order.
        if not 0 <= at < len(order) or self._moved_in_notebook is book:
            return
        self._moved_in_notebook = book
        if not await self.runner.run(partial(versions.move, self.state.lab, name, order[at])):
            self._moved_in_notebook = None

    async def _delete(self, version: Version) -> None:
        from imgexp_tui.services.actions import versions

        book = self.state.snapshot.notebook
        all_versions = list(book.versions.values()) if book else []
        why = await asyncio.to_thread(versions.deletion_obstacle, self.state.lab, version, all_versions)
        if why:
            self.runner.notify(why, "warning")
            return
        question = f"Delete {version.name} from the notebook? {versions.describe_deletion(version)}"
        if await self.confirm(question, "Delete", "Keep it"):
            await self.runner.run(partial(versions.delete, self.state.lab, version.name))
