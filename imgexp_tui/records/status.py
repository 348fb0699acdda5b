"""Determines the state of a run (queued, running, no heartbeat, finished, killed, lost …), with its evidence.

A state rests on what a file or a process shows, never on a guess.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from imgexp_tui.notebook.schema.launchers import LAUNCHERS, LauncherSchema
from imgexp_tui.records.documents import DEFAULT_HEARTBEAT, Exit, Process, Request
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.metrics.source_registry import metric_files
from imgexp_tui.records.process_identity import ProcessIdentity, boot_id
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.text import clean_line, format_duration

START_SECONDS = 30.0
"""Most seconds that a supervisor takes from the request to `process.json`."""
JOB_GONE_SECONDS = 30.0
"""Seconds after which a job that its controller does not know, or calls ended, and whose run writes nothing, is lost: a
job is not known before it is submitted, and a shared file system may show an end late."""


class State(StrEnum):
    """The states of a run; the values are shown on screens and by `--json`."""

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
        """Whether processes of the run exist, or are about to start."""
        return self in (State.QUEUED, State.RUNNING, State.NO_HEARTBEAT)

    @property
    def rank(self) -> int:
        """Sorts states: running ones, then waiting ones, then ended ones."""
        return 2 if self.live and self is not State.QUEUED else int(self.live)


@dataclass(frozen=True, slots=True)
class Status:
    """A state with its evidence: one sentence that says what was observed."""

    state: State
    evidence: str
    attempt: int
    exit: Exit | None = None
    process: Process | None = None


def status(run: RunDir, request: Request | None = None, now: float | None = None) -> Status:
    """The state of `run`, from its files and the processes of this machine."""
    now = time.time() if now is None else now
    process, exit_ = Process.read(run), Exit.read(run)
    if exit_ is None or (process and exit_.attempt < process.attempt):
        request = request or Request.read(run)
        result = _live_status(run, process, request, now) if process else _starting_status(run, request, now)
        if result.state is not State.LOST:
            return result
        # Its end may have been written between the first look for it and the look at the processes.
        exit_ = Exit.read(run)
        if exit_ is None or exit_.attempt < result.attempt:
            return result
    return _ended_status(exit_, process)


def _starting_status(run: RunDir, request: Request | None, now: float) -> Status:
    if not run.path.exists():
        return Status(State.LOST, "its folder is gone: deleted or moved", 1)
    if request is None or now - request.created < START_SECONDS:
        return Status(State.QUEUED, "its supervisor is starting", 1)
    return Status(State.LOST, "its supervisor never came up", 1)


def _ended_status(exit_: Exit, process: Process | None) -> Status:
    ends = {s.value for s in State if not s.live}
    if exit_.cause not in ends:
        return Status(State.LOST, f"exit.json names an unknown cause: {exit_.cause}", exit_.attempt, exit_, process)
    return Status(State(exit_.cause), exit_.detail, exit_.attempt, exit_, process)


def _live_status(run: RunDir, process: Process, request: Request | None, now: float) -> Status:
    one = process.trainer or process.supervisor
    launcher = _job_launcher(process)
    if launcher and not _has_process_here(process):
        state, evidence = _job_state(run, process, launcher, now)
    elif one is None:
        state, evidence = State.LOST, "process.json names no process"
    elif one.is_on_this_host and not one.is_alive():
        return Status(*_state_without_process(process, one), process.attempt, process=process)
    else:
        state, evidence = _state_with_process(process, one)
    silent = now - _last_write_time(run, process)
    if state is State.RUNNING and silent > (request.heartbeat if request else DEFAULT_HEARTBEAT):
        state, evidence = State.NO_HEARTBEAT, f"{evidence}; nothing written for {format_duration(silent)}"
    return Status(state, evidence, process.attempt, process=process)


def _state_with_process(process: Process, identity: ProcessIdentity) -> tuple[State, str]:
    """The state where `identity` is alive, or on another machine, where only its heartbeat shows that."""
    if not identity.is_on_this_host:
        return State.RUNNING, f"on {identity.host}, pid {identity.pid}"
    if process.trainer is None:
        return State.QUEUED, clean_line(process.waiting) or "its trainer is not started yet"
    alone = process.supervisor is None or not process.supervisor.is_alive()
    launcher, job = _job_launcher(process), clean_line(process.job_id)
    return State.RUNNING, f"pid {identity.pid}{f', {launcher.describe_job(job)}' if launcher and job else ''}" + (
        "; its supervisor is gone, so that how it ends will not be known" if alone else ""
    )


def _state_without_process(process: Process, identity: ProcessIdentity) -> tuple[State, str]:
    """The state where `identity` was a process of this machine and has ended."""
    if process.supervisor and process.supervisor.is_alive():
        return State.RUNNING, "its trainer has ended; its supervisor is writing how"
    if process.trainer is None and process.waiting:
        why = "the machine was started anew since" if identity.boot_id != boot_id() else "its supervisor is gone"
        return State.LOST, f"ended while it was queued: {why}"
    if identity.boot_id != boot_id():
        return State.LOST, "ended, exit unknown: the machine was started anew since"
    return State.LOST, "ended, exit unknown: its supervisor is gone too"


def _has_process_here(process: Process) -> bool:
    """Whether a live process of this machine runs it; then no controller need be asked."""
    return any(
        one is not None and one.is_on_this_host and one.is_alive() for one in (process.trainer, process.supervisor)
    )


def _job_launcher(process: Process) -> LauncherSchema | None:
    """The launcher whose job carries the run; None where no job does."""
    launcher = LAUNCHERS.get(process.launcher_name)
    return launcher if launcher and launcher.has_jobs else None


def _job_state(run: RunDir, process: Process, launcher: LauncherSchema, now: float) -> tuple[State, str]:
    """The state of a run whose job waits, runs on another machine, or has ended.

    An answer of the controller counts only if it is newer than `process.json`: a job that it called pending may have
    started since.
    """
    answer = JobStatus.read(run, launcher.name, process.uuid)
    job_id = (answer.job if answer else "") or process.job_id
    current = answer if answer and answer.asked >= process.started else None
    state, evidence = _state_from_controller(run, process, launcher, current, clean_line(job_id), now)
    if answer and answer.silent:
        since = time.strftime("%H:%M:%S", time.localtime(answer.silent))
        evidence += f" ({launcher.title} does not answer since {since})"
    return state, evidence


def _state_from_controller(
    run: RunDir, process: Process, launcher: LauncherSchema, answer: JobStatus | None, job_id: str, now: float
) -> tuple[State, str]:
    job = launcher.describe_job(job_id)
    word = answer.state.lower().replace("_", " ") if answer else ""
    if answer and answer.state in launcher.waiting_states:
        reason = clean_line(answer.reason)
        return State.QUEUED, f"{job} {word}" + (f": {reason}" if reason not in ("", "None") else "")
    gone = ""
    if answer and answer.is_gone(launcher.ended_states):
        title = launcher.title
        gone = f"{title} calls job {job_id} {word}" if word else f"{title} knows no job {job_id or 'of it'}"
        if now - max(answer.asked, _last_write_time(run, process, run.system)) > JOB_GONE_SECONDS:
            when = "before it was started" if process.supervisor is None else "exit unknown"
            return State.LOST, f"ended, {when}: {gone}"
        gone = f"; {gone}"
    if process.supervisor is None:
        return State.QUEUED, f"{job} is starting" if answer and not gone else f"waits for {job}{gone}"
    if process.trainer is None:
        return State.QUEUED, clean_line(process.waiting) or f"{job}: its trainer is not started yet"
    if process.trainer.is_on_this_host:
        return State.NO_HEARTBEAT, f"its processes are gone; what became of {job} is not known yet"
    return State.RUNNING, f"{job} on {process.trainer.host}, pid {process.trainer.pid}{gone}"


def _last_write_time(run: RunDir, process: Process, *more_files: Path) -> float:
    """When the run last wrote a file, by modification times, seconds since the epoch."""
    beats = [process.started]
    for path in (*metric_files(run), run.events, run.log, *more_files):
        try:
            beats.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(beats)
