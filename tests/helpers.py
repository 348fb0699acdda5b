"""What tests of every room use: waiting for something, reading the screen, lines of a record, the end of all runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.records.status import status
from imgexp_tui.runner.control import ControlError, stop, wait_for_end
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run

if TYPE_CHECKING:
    from textual.pilot import Pilot  # the processes that import this module mostly draw nothing

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""
PATIENCE = 30.0
"""Seconds in which what a test waits for has to happen."""


def wait_until(
    true: Callable[[], object], what: str = "what is waited for", seconds: float = PATIENCE, *, pace: float = 0.02
) -> None:
    """Wait for processes and files; fails with `what` in words where it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pace)


async def until(
    pilot: Pilot[None], true: Callable[[], object], what: str = "what is waited for", seconds: float = PATIENCE
) -> None:
    """Wait while the app goes on; fails with what stands on its screen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}\n{screen_text(pilot)}"
        await pilot.pause(0.02)


async def shows(pilot: Pilot[None], *words: str, seconds: float = PATIENCE) -> None:
    """Wait until all the words stand on the screen at once."""
    await until(pilot, lambda: all(word in screen_text(pilot) for word in words), f"{words} on the screen", seconds)


def screen_rows(pilot: Pilot[None]) -> list[str]:
    """What stands on the screen, line by line."""
    return [strip.text for strip in pilot.app.screen._compositor.render_strips()]


def screen_text(pilot: Pilot[None]) -> str:
    """What stands on the screen."""
    return "\n".join(screen_rows(pilot))


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """As the trainer and the supervisor write their JSON lines."""
    writer = LineWriter(path)
    for record in records:
        writer.write(dict(record))
    writer.close()


def stop_all(lab: Path) -> None:
    """Leave no run of a lab behind, also where its test failed."""
    for run in find_runs(lab):
        if status(run).state.live:
            with contextlib.suppress(ControlError):
                stop(run)
            wait_for_end(run)


def kill_all(lab: Path) -> None:
    """As `stop_all`, at once, and where runs are there that could not be stopped in good time."""
    for run in find_runs(lab):
        request, process = Request.read(run), Process.read(run)
        if process and process.supervisor and process.supervisor.is_alive():
            os.kill(process.supervisor.pid, signal.SIGKILL)
        for left in processes_of_run(request.uuid, process.trainer if process else None) if request else ():
            os.kill(left.pid, signal.SIGKILL)
