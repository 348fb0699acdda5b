"""What state a run is in, and the evidence for it. Truthful: nothing is assumed that no file or process shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.text import duration

HEARTBEAT_LIMIT = 120.0
"""Seconds without a new line in any of a live run's files before it is called out."""
START_LIMIT = 30.0
"""Seconds that a supervisor may take between the request and `process.json`."""


class State(StrEnum):
    """The states a run can be in; the values are what people and `--json` see."""

    QUEUED = "queued"
    RUNNING = "running"
    NO_HEARTBEAT = "no heartbeat"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"

    @property
    def live(self) -> bool:
        """Whether processes of the run are there, or are about to be."""
        return self in (State.QUEUED, State.RUNNING, State.NO_HEARTBEAT)


@dataclass(frozen=True, slots=True)
class Status:
    """A state with its evidence: one sentence that says what was seen."""

    state: State
    evidence: str
    attempt: int
    exit: Exit | None = None
    process: Process | None = None


def status(run: RunDir, request: Request | None = None, now: float | None = None) -> Status:
    """The state of `run` as its files and this machine's processes show it."""
    now = time.time() if now is None else now
    process = Process.read(run)
    exit_ = Exit.read(run)
    if process is None:
        request = request or Request.read(run)
        age = now - request.created if request else 0.0
        if exit_ is not None:
            return _ended(exit_, None)
        if age < START_LIMIT:
            return Status(State.QUEUED, "its supervisor is starting", 1)
        return Status(State.LOST, "its supervisor never came up", 1)
    if exit_ is not None and exit_.attempt >= process.attempt:
        return _ended(exit_, process)
    found = _live(run, process, now)
    if found.state is State.LOST and (exit_ := Exit.read(run)) and exit_.attempt >= process.attempt:
        return _ended(exit_, process)  # it was written between the first look at it and the look at the processes
    return found


def _ended(exit_: Exit, process: Process | None) -> Status:
    ends = {s.value for s in State if not s.live}
    if exit_.cause not in ends:
        return Status(State.LOST, f"exit.json names an unknown cause: {exit_.cause}", exit_.attempt, exit_, process)
    return Status(State(exit_.cause), exit_.detail, exit_.attempt, exit_, process)


def _live(run: RunDir, process: Process, now: float) -> Status:
    def told(state: State, evidence: str) -> Status:
        return Status(state, evidence, process.attempt, process=process)

    known = [p for p in (process.trainer, process.supervisor) if p]
    silent = now - _heartbeat(run, process)
    if known and not known[0].here:
        where = known[0].host
        if silent > HEARTBEAT_LIMIT:
            return told(State.NO_HEARTBEAT, f"on {where}; nothing written for {duration(silent)}")
        return told(State.RUNNING, f"on {where}, pid {known[0].pid}")
    if process.trainer and process.trainer.alive():
        if silent > HEARTBEAT_LIMIT:
            return told(
                State.NO_HEARTBEAT,
                f"pid {process.trainer.pid} is alive; nothing written for {duration(silent)}",
            )
        watched = process.supervisor and process.supervisor.alive()
        alone = "" if watched else "; its supervisor is gone, so that how it ends will not be known"
        return told(State.RUNNING, f"pid {process.trainer.pid}{alone}")
    if process.supervisor and process.supervisor.alive():
        if process.trainer is None:
            return told(State.QUEUED, "its trainer is not started yet")
        return told(State.RUNNING, "its trainer has ended; its supervisor is writing how")
    return told(State.LOST, "ended, exit unknown: its supervisor is gone too")


def _heartbeat(run: RunDir, process: Process) -> float:
    """When the run last wrote anything (modification times, seconds since the epoch)."""
    beats = [process.started]
    for path in (run.metrics, run.events, run.log):
        try:
            beats.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(beats)
