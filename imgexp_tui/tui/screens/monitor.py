"""The screen of the machine: every gauge with its history, and the processes of all users.

Processes of other users are displayed and never signalled: the only key that ends anything stops a run of the user's
own, and is disabled on every other row.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding

from imgexp_tui.services.actions import runs
from imgexp_tui.services.processes import ProcessSampler
from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.list_pane import ListPane
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.machine import monitor, processes
from imgexp_tui.views.machine.model import Machine
from imgexp_tui.views.machine.processes import SORT_ORDERS, ProcessRow
from imgexp_tui.views.styled import Line

_GAUGE_INTERVAL, _PROCESS_INTERVAL = 1.0, 2.0
"""Seconds between two polls of the gauges, and of the processes."""


class GaugesPane(Pane):
    """Every gauge of the machine."""

    _machine: Machine | None = None
    _traffic: monitor.GpuTraffic = {}

    def show(self, machine: Machine | None, traffic: monitor.GpuTraffic) -> None:
        """Show the gauges, and the traffic of each GPU."""
        if machine is not self._machine or traffic != self._traffic or not self.lines:
            self._machine, self._traffic = machine, traffic
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return monitor.gauge_lines(self._machine, self._traffic, width)


class ProcessList(ListPane[ProcessRow]):
    """One process a row. The cursor stays on its process when the order changes, except in the first row."""

    def key(self, item: ProcessRow) -> Hashable:
        return item.pid, item.start_ticks

    def row_of(self, item: ProcessRow) -> int | None:
        """Returns the process's row; None with the cursor in the first row, where the largest process is to stay."""
        return super().row_of(item) if self.cursor else None

    def build(self, width: int, height: int) -> list[Line]:
        return [processes.format_process(process, width) for process in self.items]


class MonitorScreen(StyledScreen[str | None]):
    """Dismissed with the version to show on the main screen, or None.

    Args:
        lab: the lab that is open.
        read_machine: returns the gauges as they were last read.
    """

    CSS_PATH = "monitor.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,m", "close", "Back"),
        Binding("o", "order", "Order", tooltip="Order the processes by CPU, memory, or GPU memory"),
        Binding("enter", "show_version", "Show", tooltip="Show the version that this process trains"),
        Binding("S", "stop", "Stop", tooltip="Stop the run of yours that this process belongs to; asks first"),
        Binding("j,down", "move(1)", "Next process", show=False),
        Binding("k,up", "move(-1)", "Previous process", show=False),
        Binding("g,home", "move(-1000000)", "First process", show=False),
        Binding("G,end", "move(1000000)", "Last process", show=False),
        Binding("J,ctrl+down", "scroll(2)", "Scroll the gauges down", show=False),
        Binding("K,ctrl+up", "scroll(-2)", "Scroll the gauges up", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, lab: Path, read_machine: Callable[[], Machine | None]) -> None:
        super().__init__()
        self._lab = lab
        self._read_machine = read_machine
        self._order = 0
        self._traffic: monitor.GpuTraffic = {}
        self._process_poller: ProcessSampler | None = None
        self._polling = False
        self._runner = ActionRunner(self, self._poll)

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield GaugesPane(id="gauges")
        yield StyledView(id="head")
        yield ProcessList(id="processes")
        yield KeyFooter()

    def on_mount(self) -> None:
        self._rows = self.query_one(ProcessList)
        self._draw()
        self._poll()
        self.set_interval(_GAUGE_INTERVAL, self._draw)
        self.set_interval(_PROCESS_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        machine, room = self._read_machine(), self.size.width
        with self.app.batch_update():
            self.query_one("#title", StyledView).set_lines([monitor.title_line(socket.gethostname(), machine, room)])
            self.query_one("#head", StyledView).set_lines([processes.header_row(room, SORT_ORDERS[self._order])])
            self.query_one(GaugesPane).show(machine, self._traffic)

    @work(group="poll")
    async def _poll(self) -> None:
        """Read the processes. A poll that is due while the one before still runs is skipped."""
        if self._polling:
            return
        self._polling = True
        try:
            if self._process_poller is None:
                self._process_poller = await asyncio.to_thread(ProcessSampler, self._lab)
                await asyncio.sleep(_GAUGE_INTERVAL / 2)  # the share of the CPU is measured between two samples
            sample = await asyncio.to_thread(self._process_poller.sample, SORT_ORDERS[self._order])
        finally:
            self._polling = False
        self._traffic = sample.traffic
        if sample.rows != self._rows.items:
            self._rows.set_items(sample.rows)

    def on_list_pane_cursor_moved(self) -> None:
        self.refresh_bindings()

    def on_list_pane_item_opened(self) -> None:
        self.action_show_version()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        process = self._rows.selected if self.is_mounted and hasattr(self, "_rows") else None
        if action == "stop":
            return process is not None and bool(process.run_path)
        if action == "show_version":
            return process is not None and process.is_in_open_lab
        return True

    def action_close(self) -> None:
        self.dismiss(None)

    def action_order(self) -> None:
        self._order = (self._order + 1) % len(SORT_ORDERS)
        self._rows.move_to(0)
        self._draw()
        self._poll()

    def action_show_version(self) -> None:
        process = self._rows.selected
        if process and process.is_in_open_lab:
            self.dismiss(process.version)

    def action_move(self, rows: int) -> None:
        self._rows.move(rows)

    def action_scroll(self, rows: int) -> None:
        self.query_one(GaugesPane).scroll_relative(y=rows, animate=False)

    @work(group="action")
    async def action_stop(self) -> None:
        process = self._rows.selected
        if process is None or not process.run_path:
            return
        question = f"Stop {process.version}? It saves a checkpoint and can be resumed."
        if await self.app.push_screen_wait(ConfirmScreen(question, "Stop", "Keep it running")):
            await self._runner.run(partial(runs.stop_at, process.run_path))
