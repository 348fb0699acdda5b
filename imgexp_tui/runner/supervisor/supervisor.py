"""Supervises one attempt of a run: starts the trainer, watches it, and writes down how it ended.

The loop of `Supervisor.watch` samples the machine, passes on requests to stop, and collects ended children. What
differs in a cluster's job is in `host.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace

from imgexp_tui import durable
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.metrics.source_registry import metric_files
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner import provenance, user_scope
from imgexp_tui.runner.launchers.base import QUEUED, STARTED, SUPERVISOR_LOG, Eviction, EvictionOutcome
from imgexp_tui.runner.queue.lease import POLL_INTERVAL
from imgexp_tui.runner.queue.queue import QueueError
from imgexp_tui.runner.signals import become_subreaper, send_signals
from imgexp_tui.runner.supervisor import oom, trainer_process
from imgexp_tui.runner.supervisor.attempt import StartRefused, own_identity, read_request
from imgexp_tui.runner.supervisor.cleanup import RESERVED_FILE, remove_leftovers
from imgexp_tui.runner.supervisor.event_command import EventCommandProcess
from imgexp_tui.runner.supervisor.folder_watch import WatchedFolder
from imgexp_tui.runner.supervisor.held_process import HeldProcess
from imgexp_tui.runner.supervisor.host import Host
from imgexp_tui.runner.supervisor.outcome import (
    CANCELLED,
    RunOutcome,
    TrainerExit,
    describe_full_disk,
    determine_outcome,
    not_started_outcome,
)
from imgexp_tui.runner.supervisor.process_cleanup import end_processes, living_descendants, processes_of_run
from imgexp_tui.runner.supervisor.recorder import SystemRecorder

_RESERVED_BYTES = 32_768
"""Bytes reserved while the run goes on, so that its end can be written down on a disk that it filled."""
_END_WRITE_TRIES, _END_WRITE_PAUSE = 30, 2.0
"""How often writing down the end is tried, and seconds between two tries."""


class Supervisor:
    """Carries one attempt of one run, from claiming it to `exit.json`.

    Args:
        host: this machine, or the job of a cluster that this process is.

    Raises:
        StartRefused: the run cannot be started, or not by this host.
        OSError: the run's files cannot be read or written.
    """

    def __init__(self, run: RunDir, host: Host) -> None:
        self._run = run
        self._host = host
        self._folder = WatchedFolder(run.path)
        self._reserved_file = run.path / RESERVED_FILE
        self._wakeup = host.wakeup
        self._identity = own_identity()
        self._request = read_request(run)
        self._oom_counter = oom.read_oom_counter()
        self._attempt = host.claim_attempt(run, self._request, self._identity)
        self._waiting_reason = ""
        self._start_time = time.time()
        self._recorder: SystemRecorder | None = None
        self._log_start = run.log.stat().st_size if run.log.exists() else 0
        self._wait_status: int | None = None
        self._deadline: float | None = None
        self._was_killed = False
        self._event_commands: EventCommandProcess | None = None

    def begin(self) -> str:
        """Starts the trainer, or queues for a place for it; returns `STARTED`, `QUEUED`, or "" where the run has ended.

        Raises:
            OSError: the run's files cannot be written; no process is left.
            StartRefused: the queue cannot be used.
        """
        self._event_commands = EventCommandProcess(self._run, self._request, self._attempt)
        become_subreaper()
        self._end_processes_of_earlier_attempt()
        remove_leftovers(self._run, self._attempt)
        durable.replace(self._reserved_file, bytes(_RESERVED_BYTES))
        self._write_process(None, "its supervisor is starting")
        tries = 1 if self._host.caller_waits else _END_WRITE_TRIES
        try:
            self._host.prepare(self._run, self._request, self._identity)
            waiting = self._host.try_acquire()
        except QueueError as error:
            self._record_end(RunOutcome(None, None, "failed", str(error)), tries)
            raise StartRefused(str(error)) from None
        if self._host.stop_mark_exists():  # somebody asked before this process started
            self._record_end(CANCELLED)
            return ""
        if not waiting:
            return STARTED if self._start_trainer(tries=tries) else ""
        self._record_waiting(waiting)
        return QUEUED

    def wait_in_queue(self) -> bool:
        """Waits in the queue; returns whether the trainer was started. Where it was not, the run has ended."""
        while not (self._wakeup.stop_requested or self._folder.is_deleted()):
            try:
                if not (reason := self._host.try_acquire()):
                    return self._start_trainer(tries=_END_WRITE_TRIES)
            except QueueError as error:
                reason = str(error)
            self._record_waiting(reason)
            self._wakeup.wait(POLL_INTERVAL)
        self._record_end(CANCELLED)
        return False

    def _record_waiting(self, reason: str) -> None:
        """Writes why the run waits, if that has changed. A full disk loses it."""
        if reason != self._waiting_reason:
            with contextlib.suppress(OSError):
                self._write_process(None, reason)
            if not self._waiting_reason:
                self._log_event("queued", reason)
            self._waiting_reason = reason

    def _start_trainer(self, *, tries: int) -> bool:
        """Starts the trainer; returns False where that failed, which ends the run.

        The trainer begins only when `process.json` names it: nobody could stop a process that no file names.

        Args:
            tries: how often writing the end is tried where the start fails.

        Raises:
            OSError: its identity could not be written; the trainer was ended.
        """
        self._start_time = time.time()
        try:
            events.append_event(self._run, *self._start_event(), attempt=self._attempt, gpus=list(self._host.gpus))
            gpus, bound = self._host.gpus_to_show, self._host.trainer_ends_with_supervisor
            held = trainer_process.fork_trainer(self._run, self._request, gpus, ends_with_parent=bound)
        except OSError as error:
            self._record_end(not_started_outcome(self._request.argv[0], error), tries=tries)
            return False
        self._trainer = _identity_of(held)
        try:
            self._write_process(self._trainer)
        except OSError as error:
            held.cancel()
            end_processes(self._descendants, graceful=False)
            self._record_end(not_started_outcome(self._request.argv[0], error), tries=tries)
            raise
        try:
            held.release()
        except OSError as error:
            self._record_end(not_started_outcome(self._request.argv[0], error), tries=tries)
            return False
        later = bool(self._waiting_reason) or self._attempt > 1
        for warning in (
            user_scope.logout_warning(),
            provenance.describe_package_changes(self._request.packages) if later else "",
        ):
            if warning:
                self._log_event("warning", warning)
        self._recorder = SystemRecorder(self._run, trainer_process.lab_of_run(self._run))
        return True

    def watch(self) -> None:
        """Samples and waits until the trainer has ended, then ends what it left behind and writes how it ended."""
        assert self._recorder is not None
        while self._wait_status is None:
            self._recorder.sample_if_due()
            self._enforce_stop()
            self._wakeup.wait(self._next_wake_time(self._recorder.due) - time.monotonic())
            self._reap()
        self._recorder.flush()
        self._host.wait_for_eviction_signal(self._wait_status)
        if ended := end_processes(self._descendants, graceful=not self._was_killed):
            left = "a process" if len(ended) == 1 else f"{len(ended)} processes"
            self._log_event("warning", f"ended {left} that the trainer had left behind")
        outcome = determine_outcome(self._trainer_exit(self._wait_status))
        may_go_on = outcome.cause == "stopped" and not self._stop_requested()
        if may_go_on and (eviction := self._host.eviction()):
            self._handle_eviction(eviction, outcome)
        else:
            self._record_end(outcome)

    def wait_for_event_commands(self) -> None:
        """Waits until the command for the end has run: a cluster ends all processes of a job with this one."""
        if self._event_commands:
            self._event_commands.wait_until_done()

    def _handle_eviction(self, eviction: Eviction, outcome: RunOutcome) -> None:
        """Records that the trainer has ended because the cluster takes the job back.

        The run goes on when the job is started again; it has ended only where it will not be.
        """
        if eviction.outcome is EvictionOutcome.CANCELLED:
            self._record_end(replace(outcome, detail=eviction.reason))
            return
        if eviction.no_progress_detail and not self._has_made_progress():
            self._record_end(replace(outcome, detail=eviction.no_progress_detail))
            return
        # Before the cluster is asked: it may end this process at once.
        self._remove_working_files()
        self._log_event("requeued", eviction.reason, fate=eviction.outcome.name.lower())
        with contextlib.suppress(OSError):
            self._write_process(None, f"waits for {eviction.job} to start again: {eviction.reason}")
        if eviction.outcome is EvictionOutcome.ASK and (refusal := eviction.requeue()):
            detail = f"{eviction.reason}, and it could not be queued again: {refusal}"
            self._record_end(replace(outcome, detail=detail))

    def _has_made_progress(self) -> bool:
        """Whether this attempt has written anything that the next one can build on."""
        written = [*metric_files(self._run), self._run.checkpoints]
        if self._request.trainer == "command":
            written.append(self._run.log)
        return any(path.exists() and path.stat().st_mtime >= self._start_time for path in written)

    def _start_event(self) -> tuple[str, str]:
        return ("started", "") if self._attempt == 1 else ("resumed", f"attempt {self._attempt}")

    def _end_processes_of_earlier_attempt(self) -> None:
        if former := Process.read(self._run):
            end_processes(lambda: processes_of_run(self._request.uuid, former.trainer), graceful=False)

    def _write_process(self, trainer_identity: ProcessIdentity | None, waiting_reason: str = "") -> None:
        Process(
            self._request.uuid,
            self._attempt,
            self._identity,
            trainer_identity,
            self._start_time,
            self._host.launcher,
            waiting_reason,
            list(self._host.gpus),
        ).write(self._run)

    def _stop_requested(self) -> bool:
        return self._wakeup.stop_requested or self._host.stop_mark_exists()

    def _next_wake_time(self, sample_due: float) -> float:
        """Returns when the supervisor has to look again, on the monotonic clock."""
        due = min(sample_due, time.monotonic() + self._host.poll_interval)
        return due if self._deadline is None else min(due, self._deadline)

    def _enforce_stop(self) -> None:
        """Sends SIGTERM to the trainer, once, if the run has to stop; SIGKILL to all after the grace period."""
        # Without its folder the run can keep nothing, and nobody could find it to stop it.
        asked = self._stop_requested() or self._folder.is_deleted()
        if not (asked or self._wakeup.eviction_signal):
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._request.grace
            # A suspended process handles SIGTERM only after SIGCONT.
            send_signals(self._trainer, signal.SIGTERM, signal.SIGCONT)
            who = "asked to stop" if asked else self._host.describe_eviction()
            self._log_event("stopping", f"{who}; {self._request.grace:g} s to do so", grace=self._request.grace)
        elif now >= self._deadline:
            self._deadline = now + 1.0
            self._was_killed = True
            for process in (*self._descendants(), self._trainer):
                send_signals(process, signal.SIGKILL)

    def _reap(self) -> None:
        """Collects every child that has ended; orphaned descendants become children of a subreaper."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._trainer.pid and self._wait_status is None:
                    self._wait_status = ended[1]

    def _descendants(self) -> list[ProcessIdentity]:
        self._reap()
        return living_descendants(self._identity.pid)

    def _trainer_exit(self, wait_status: int) -> TrainerExit:
        return TrainerExit(
            wait_status=wait_status,
            stop_requested=self._deadline is not None or self._wakeup.eviction_signal != 0,
            killed_after_grace=self._was_killed,
            grace=self._request.grace,
            is_shipped_trainer=self._request.trainer == "shipped",
            oom_clause=self._oom_counter.describe_kills() if self._oom_counter else None,
            log=self._run.log,
            log_start=self._log_start,
            disk_clause=describe_full_disk(self._run.path),
        )

    def _record_end(self, outcome: RunOutcome, tries: int = _END_WRITE_TRIES) -> None:
        """Writes the event first and `exit.json` last: whoever sees that finds everything else in place."""
        self._host.release()
        self._remove_working_files()
        self._log_event("ended", f"{outcome.cause}: {outcome.detail}", cause=outcome.cause)
        last = Exit(
            self._request.uuid,
            self._attempt,
            outcome.exit_code,
            outcome.signal,
            outcome.cause,
            outcome.detail,
            time.time(),
        )
        for _ in range(tries):
            try:
                last.write(self._run)
                self._host.clear_stop_mark()
                self._remove_empty_log()
                return
            except FileNotFoundError:  # somebody deleted the run's folder
                return
            except OSError as error:
                sys.stderr.write(f"cannot write {self._run.exit}: {error}\n")
                self._wakeup.wait(_END_WRITE_PAUSE)

    def _remove_working_files(self) -> None:
        """Removes the files that are no part of the record."""
        with contextlib.suppress(OSError):
            self._reserved_file.unlink(missing_ok=True)
            (self._run.path / f".attempt-{self._attempt}").unlink(missing_ok=True)

    def _remove_empty_log(self) -> None:
        """Removes the supervisor's log if it is empty. Last of all: errors of writing the end go there."""
        with contextlib.suppress(OSError):
            own = self._run.path / SUPERVISOR_LOG
            if own.stat().st_size == 0:
                own.unlink()

    def _log_event(self, kind: str, message: str, **more: object) -> None:
        """Appends an event; a full disk loses it, because what comes after it matters more."""
        with contextlib.suppress(OSError):
            events.append_event(self._run, kind, message, **more)


def _identity_of(held: HeldProcess) -> ProcessIdentity:
    """Returns the child's identity. Its /proc entry cannot vanish before the child is waited for."""
    found = identity_of(held.pid)
    if found is None:
        raise StartRefused("/proc does not show the trainer; imgexp-tui needs a mounted /proc")
    return found
