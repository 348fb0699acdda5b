"""The screen of this machine's queue: what runs, what waits and why, and in which order it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.services.actions import runs
from imgexp_tui.services.queue import read_queue
from imgexp_tui.text import clean_line
from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.machine import queue
from imgexp_tui.views.machine.queue import QueueEntry
from imgexp_tui.views.styled import Line, justify, line, plain_text
from imgexp_tui.views.wrap import wrap

_POLL_INTERVAL = 1.0


class QueueList(ListPane[QueueEntry]):
    """One run a row. The cursor stays on its run when the order changes."""

    def key(self, item: QueueEntry) -> Hashable:
        return item.uuid

    def build(self, width: int, height: int) -> list[Line]:
        return [queue.format_entry(entry, width) for entry in self.items]


class QueueDetail(Pane):
    """A sentence about the run under the cursor."""

    sentence = ""

    def show(self, sentence: str) -> None:
        """Show a sentence in place of the one before."""
        if sentence != self.sentence:
            self.sentence = sentence
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return [line(text) for text in wrap(self.sentence, max(10, width))] or [()]


class QueueScreen(StyledScreen[str | None]):
    """Dismissed with the version to show on the main screen, or None.

    Args:
        lab: the lab that is open.
    """

    CSS_PATH = "queue.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,Q", "close", "Back"),
        Binding("enter", "show_version", "Show", tooltip="Show this run's version"),
        Binding("K,ctrl+up", "shift(-1)", "Earlier", tooltip="Let a run that waits start earlier"),
        Binding("J,ctrl+down", "shift(1)", "Later", tooltip="Let a run that waits start later"),
        Binding("S", "stop", "Stop", tooltip="Stop a run, or take one that waits out of the queue; asks first"),
        Binding("j,down", "move(1)", "Next run", show=False),
        Binding("k,up", "move(-1)", "Previous run", show=False),
        Binding("g,home", "move(-1000000)", "First run", show=False),
        Binding("G,end", "move(1000000)", "Last run", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, lab: Path) -> None:
        super().__init__()
        self._lab = lab
        self._runner = ActionRunner(self, self._poll)

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield StyledView(id="head")
        yield QueueList(id="rows")
        yield QueueDetail(id="detail")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._rows = self.query_one(QueueList)
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw()

    @work(exclusive=True, group="poll")
    async def _poll(self) -> None:
        from imgexp_tui.runner.queue.queue import QueueError

        try:
            rows = await asyncio.to_thread(read_queue, self._lab)
        except QueueError as error:
            self.query_one(QueueDetail).show(clean_line(str(error)))
            return
        if rows != self._rows.items:
            self._rows.set_items(rows)
        self._draw()

    def _draw(self) -> None:
        room, rows = self.size.width, self.query_one(QueueList).items
        waiting = sum(entry.is_waiting for entry in rows)
        left = line((" Queue ", "title"), ("of this machine", "quiet"))
        right = line((f"● {len(rows) - waiting} running", "live"), (f" · {waiting} waiting ", "quiet"))
        self.query_one("#title", StyledView).set_lines([justify(left, right, room)])
        self.query_one("#head", StyledView).set_lines([queue.header_row(room)])
        self.query_one(QueueDetail).show(self._detail_sentence())

    def _detail_sentence(self) -> str:
        entry = self.query_one(QueueList).selected
        if entry is None:
            return "Nothing runs and nothing waits. Start a run of a version with r on the main screen."
        name = f"{entry.version}/{entry.run}" + ("" if entry.is_in_open_lab else f" of the lab {entry.lab}")
        return (
            f"{name}: {entry.evidence}"
            if entry.is_waiting
            else f"{name}: {plain_text(queue.format_allocation(entry))}, {entry.evidence}"
        )

    def on_list_pane_cursor_moved(self) -> None:
        self._draw()
        self.refresh_bindings()

    def on_list_pane_item_opened(self) -> None:
        self.action_show_version()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        entry = self._rows.selected if self.is_mounted and hasattr(self, "_rows") else None
        if action == "shift":
            return entry is not None and entry.is_waiting
        if action == "stop":
            return entry is not None
        if action == "show_version":
            return entry is not None and entry.is_in_open_lab
        return True

    def action_close(self) -> None:
        self.dismiss(None)

    def action_show_version(self) -> None:
        entry = self._rows.selected
        if entry and entry.is_in_open_lab:
            self.dismiss(entry.version)

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    @work(group="action")
    async def action_shift(self, positions: int) -> None:
        entry = self._rows.selected
        if entry and entry.is_waiting:
            await self._runner.run(partial(runs.move_in_queue, entry.uuid, positions))

    @work(group="action")
    async def action_stop(self) -> None:
        entry = self._rows.selected
        if entry is None:
            return
        question, yes, no = (
            f"Stop {entry.version}? It saves a checkpoint and can be resumed.",
            "Stop",
            "Keep it running",
        )
        if entry.is_waiting:
            question, yes, no = (
                f"Take {entry.version} out of the queue? R puts it back.",
                "Take it out",
                "Keep it waiting",
            )
        if await self.app.push_screen_wait(ConfirmScreen(question, yes, no)):
            await self._runner.run(partial(runs.stop_at, entry.path))
