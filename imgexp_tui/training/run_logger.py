"""What the trainer tells: plain lines for people, events and metrics for the app. One object, handed around."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from imgexp_tui.records import events
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.shutdown import StopSignal

if TYPE_CHECKING:
    from imgexp_tui.training.distributed.group import Group

_PROGRESS_INTERVAL = 1.0


class Report:
    """Writes a run's log, events and metrics.

    Counting something out loud is also the moment to look whether the run was asked to end, so that downloads
    and cache building can be stopped.

    Of several processes the first one tells all, and the others only what none has told before: warnings and errors.
    """

    def __init__(self, run: RunDir, stop: StopSignal, group: Group | None = None) -> None:
        self._run = run
        self._stop = stop
        self._group = group
        self._leads = group is None or group.leads
        self._metrics = LineWriter(run.metrics)
        self._told: set[str] = set()
        self._last_progress = 0.0

    def line(self, text: str) -> None:
        """One line of the log."""
        if self._leads:
            print(text, flush=True)

    def event(self, kind: str, message: str = "", **more: Any) -> None:
        """One event, without a line of the log."""
        if self._leads:
            events.log(self._run, kind, message, **more)

    def error(self, message: str) -> None:
        """An event that says why training cannot go on."""
        if self._says_first(message):
            events.log(self._run, "error", message)

    def warn(self, message: str) -> None:
        """Something that the user should know of; said once, in the log and as an event."""
        if message not in self._told:
            self._told.add(message)
            if self._says_first(message):
                print(f"warning: {message}", flush=True)
                events.log(self._run, "warning", message)

    def metrics(self, record: dict[str, Any]) -> None:
        """One line of the record, stamped now."""
        if self._leads:
            self._metrics.write(record | {"time": time.time()})

    def progress(self, what: str, done: int, total: int | None, unit: str) -> None:
        """How far something has come; at most one event a second, and always the last.

        Raises:
            Stopped: the run was asked to end.
        """
        self._stop.check()
        now = time.monotonic()
        if done == total or now - self._last_progress >= _PROGRESS_INTERVAL:
            self._last_progress = now
            self.event("progress", f"{what}: {done:,}", what=what, done=done, total=total, unit=unit)

    def _says_first(self, message: str) -> bool:
        return self._group is None or self._group.says_first(message)
