"""Writes the trainer's output: lines of the log for people, events and metrics for the app."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from imgexp_tui.records import events
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.shutdown import StopSignal

if TYPE_CHECKING:
    from imgexp_tui.training.distributed.group import RankGroup

_PROGRESS_INTERVAL = 1.0


class RunLogger:
    """Writes a run's log, events and metrics.

    `log_progress` also checks whether the run was asked to end, so that downloads and cache building can be stopped.

    Of several processes the first one writes everything. The others write warnings and errors only, and each message
    is written by one process.
    """

    def __init__(self, run: RunDir, stop: StopSignal, group: RankGroup | None = None) -> None:
        self._run = run
        self._stop = stop
        self._group = group
        self._is_main_process = group is None or group.is_main_process
        self._metrics_writer = LineWriter(run.metrics)
        self._warned: set[str] = set()
        self._last_progress = 0.0

    def log_line(self, text: str) -> None:
        """One line of the log."""
        if self._is_main_process:
            print(text, flush=True)

    def log_event(self, kind: str, message: str = "", **more: Any) -> None:
        """One event, without a line of the log."""
        if self._is_main_process:
            events.append_event(self._run, kind, message, **more)

    def log_error(self, message: str) -> None:
        """An event with the reason why training cannot continue."""
        if self._claim_message(message):
            events.append_event(self._run, "error", message)

    def log_warning(self, message: str) -> None:
        """A warning for the user, in the log and as an event; a repeated message is written once."""
        if message not in self._warned:
            self._warned.add(message)
            if self._claim_message(message):
                print(f"warning: {message}", flush=True)
                events.append_event(self._run, "warning", message)

    def log_warnings(self, messages: Iterable[str]) -> None:
        """Each of `messages` as a warning."""
        for message in messages:
            self.log_warning(message)

    def log_metrics(self, record: dict[str, Any]) -> None:
        """One line of `metrics.jsonl`, with the current time."""
        if self._is_main_process:
            self._metrics_writer.write(record | {"time": time.time()})

    def log_progress(self, what: str, done: int, total: int | None, unit: str) -> None:
        """The progress of a long operation, as an event: at most one a second, and always the last one.

        Raises:
            StopRequested: the run was asked to end.
        """
        self._stop.raise_if_stopped()
        now = time.monotonic()
        if done == total or now - self._last_progress >= _PROGRESS_INTERVAL:
            self._last_progress = now
            self.log_event("progress", f"{what}: {done:,}", what=what, done=done, total=total, unit=unit)

    def _claim_message(self, message: str) -> bool:
        return self._group is None or self._group.claim_message(message)
