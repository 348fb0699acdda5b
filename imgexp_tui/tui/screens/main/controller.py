"""The base of the main screen's controllers: objects that hold some of its keys, and the messages that they post.

A controller lists its keys in `BINDINGS`, as a screen does, and has a method `action_…` for each. `MainScreen` puts the
bindings of all controllers in order and calls the methods. A key that copies a run's path would be a binding and an
action of `run_actions`; one that opens another screen belongs in `navigation`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from imgexp_tui.notebook.model import Version
from imgexp_tui.tui.screens.main.state import MainState
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.main.version_table import VersionTable


class RefreshRequested(Message):
    """Files were written or a run was started: the watcher should read the lab now."""


class FilterChanged(Message):
    """The table should show other versions: the filter changed, or whether archived versions are shown."""


class VersionCreated(Message):
    """A version was created; the cursor should go to it as soon as the watcher has read it."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version


class VersionRequested(Message):
    """The cursor should go to a version, even one that the filter or the archive hides.

    Args:
        field, line: the note to open at a line, 1-based; "" to open none.
    """

    def __init__(self, version: str, field: str = "", line: int = 0) -> None:
        super().__init__()
        self.version, self.field, self.line = version, field, line


class Controller:
    """Some keys of the main screen and what they do.

    Attributes:
        BINDINGS: the keys. The action `name` of a binding is the method `action_name`.
        screen: the main screen, for messages, workers and dialogs.
        state: what the main screen knows of the lab.
        table: the table of versions.
        runner: runs actions of `services` in threads.
    """

    BINDINGS: ClassVar[list[Binding]] = []

    def __init__(self, screen: Screen[Any], state: MainState, table: VersionTable) -> None:
        self.screen = screen
        self.state = state
        self.table = table
        self.runner = ActionRunner(screen, self.request_refresh)

    def actions(self) -> dict[str, Callable[..., Any]]:
        """Returns the methods of the actions by the action's name."""
        prefix = "action_"
        return {name.removeprefix(prefix): getattr(self, name) for name in dir(self) if name.startswith(prefix)}

    def is_enabled(self, action: str) -> bool:
        """Returns whether an action's key does something now; otherwise the footer leaves the key out."""
        return True

    @property
    def selected_version(self) -> Version | None:
        """The version under the cursor; None where there is none."""
        notebook = self.state.snapshot.notebook
        return notebook.versions.get(self.table.selected) if notebook else None

    def request_refresh(self) -> None:
        """Let the watcher read the lab now."""
        self.screen.post_message(RefreshRequested())

    def request_version(self, version: str | None) -> None:
        """Put the cursor on a version, if one is given, and let the watcher read the lab now."""
        if version:
            self.screen.post_message(VersionRequested(version))
        self.request_refresh()

    def announce_version(self, version: str | None) -> None:
        """Put the cursor on a version that was created, if one was, as soon as it has been read."""
        if version:
            self.screen.post_message(VersionCreated(version))

    async def confirm(self, question: str, yes: str, no: str) -> bool:
        """Ask a question in a dialog. Returns whether the answer was `yes`; call it in a worker."""
        from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen

        answer: bool = await self.screen.app.push_screen_wait(ConfirmScreen(question, yes, no))
        return answer
