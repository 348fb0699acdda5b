"""The supervisor: one process per run that starts the trainer, watches over it, and writes down how it ended.

It loads neither torch nor Textual, lives in a session of its own with files for stdio, and is nobody's child, so
that neither the app's end nor a dropped connection touches it. If it is killed itself, the trainer goes on.

    python -m imgexp_tui.runner.supervise RUN_DIR

What it says on standard output is for the launcher alone: "started", "queued", or one sentence that says why not.
With the word "job" as a second argument it is a Slurm job's only program instead, and stays in the foreground.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.app_log import log_uncaught
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.metrics.source_registry import metric_files
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner import provenance, user_scope
from imgexp_tui.runner.launchers.local import QUEUED, STARTED, SUPERVISOR_LOG
from imgexp_tui.runner.launchers.slurm.job import JOB_ARGUMENT, EvictionOutcome, SlurmJob
from imgexp_tui.runner.queue.lease import POLL_INTERVAL, Lease
from imgexp_tui.runner.queue.queue import QueueError
from imgexp_tui.runner.signals import become_subreaper, send_signals, signal_name
from imgexp_tui.runner.supervisor import oom, trainer_process
from imgexp_tui.runner.supervisor.attempt import StartRefused, claim_attempt, own_identity, read_request
from imgexp_tui.runner.supervisor.cleanup import RESERVED_FILE, remove_leftovers
from imgexp_tui.runner.supervisor.event_command import EventCommandProcess
from imgexp_tui.runner.supervisor.folder_watch import WatchedFolder
from imgexp_tui.runner.supervisor.held_process import HeldProcess
from imgexp_tui.runner.supervisor.outcome import (
    CANCELLED,
    STOPPED_EXIT_CODE,
    RunOutcome,
    TrainerExit,
    describe_full_disk,
    determine_outcome,
    not_started_outcome,
)
from imgexp_tui.runner.supervisor.process_cleanup import end_processes, living_descendants, processes_of_run
from imgexp_tui.runner.supervisor.recorder import SystemRecorder
from imgexp_tui.runner.supervisor.wakeup import Wakeup

_RESERVED_BYTES = 32_768
"""Bytes set aside while the run goes on, so that its end can be written down on a disk that it filled."""
_END_WRITE_TRIES, _END_WRITE_PAUSE = 30, 2.0
"""How often, and with how many seconds between, the end is tried to be written down."""
_STOP_MARK_INTERVAL = 2.0
"""Seconds between two looks for the mark that asks a Slurm job to stop."""
_EVICTION_SIGNAL_TIMEOUT = 2.0
"""Seconds for a signal that has reached the trainer to reach the supervisor too."""


class Supervisor:
    """One attempt of one run, from claiming it to `exit.json`.

    Args:
        job: the Slurm job that this process is; None on a machine of one's own, where the run stands in the queue.
    """

    def __init__(self, run: RunDir, job: SlurmJob | None = None) -> None:
        self._run = run
        self._job = job
        self._folder = WatchedFolder(run.path)
        self._reserved_file = run.path / RESERVED_FILE
        self._wakeup = Wakeup(in_job=job is not None)
        self._identity = own_identity()
        self._request = read_request(run, in_job=job is not None)
        self._oom_counter = oom.read_oom_counter()
        self._attempt = claim_attempt(run, self._request, self._identity, in_job=job is not None)
        self._lease: Lease | None = None
        self._waiting_reason = ""
        self._start_time = time.time()
        self._recorder: SystemRecorder | None = None
        self._log_start = run.log.stat().st_size if run.log.exists() else 0
        self._wait_status: int | None = None
        self._deadline: float | None = None
        self._was_killed = False
        self._event_commands: EventCommandProcess | None = None

    def begin(self) -> str:
        """Start the trainer, or stand in the queue for it. What came of it: `STARTED`, `QUEUED` or "" where it ended.

        Raises:
            OSError: the run's files cannot be written; no process is left.
            Refused: the queue cannot be used.
        """
        self._event_commands = EventCommandProcess(self._run, self._request, self._attempt)
        become_subreaper()
        self._end_processes_of_earlier_attempt()
        remove_leftovers(self._run, self._attempt)
        durable.replace(self._reserved_file, bytes(_RESERVED_BYTES))
        self._write_process(None, "its supervisor is starting")
        if self._job:
            return self._begin_in_job(self._job)
        try:
            self._lease = Lease(self._run, self._request, self._identity)
            waiting = self._lease.try_acquire()
        except QueueError as error:
            self._record_end(RunOutcome(None, None, "failed", str(error)), tries=1)
            raise StartRefused(str(error)) from None
        if not waiting:
            return STARTED if self._start_trainer(tries=1) else ""
        self._record_waiting(waiting)
        return QUEUED

    def _begin_in_job(self, job: SlurmJob) -> str:
        """Slurm has given the place already. Somebody may have asked to stop before it did."""
        job.read_restart_count()
        if job.stop_requested():
            self._record_end(CANCELLED)
            return ""
        return STARTED if self._start_trainer(tries=_END_WRITE_TRIES) else ""

    def wait_in_queue(self) -> bool:
        """Wait in the queue. True where the trainer was started; False where the run has ended instead."""
        while self._lease is not None and not (self._wakeup.stop_requested or self._folder.is_deleted()):
            try:
                if not (why := self._lease.try_acquire()):
                    return self._start_trainer(tries=_END_WRITE_TRIES)
            except QueueError as error:
                why = str(error)
            self._record_waiting(why)
            self._wakeup.wait(POLL_INTERVAL)
        self._record_end(CANCELLED)
        return False

    def _record_waiting(self, reason: str) -> None:
        """Say why the run waits, where that has changed. A full disk may keep it from being said."""
        if reason != self._waiting_reason:
            with contextlib.suppress(OSError):
                self._write_process(None, reason)
            if not self._waiting_reason:
                self._log_event("queued", reason)
            self._waiting_reason = reason

    def _start_trainer(self, *, tries: int) -> bool:
        """Start the trainer; False where that could not be done and the run has ended with it.

        It begins when its identity is written down: one that no file names could be stopped by nobody.

        Raises:
            OSError: its identity could not be written down; it was ended.
        """
        self._start_time = time.time()
        try:
            events.append_event(self._run, *self._start_event(), attempt=self._attempt, gpus=self._gpus())
            # In a job the trainer sees what Slurm lets it see.
            gpus = () if self._job else self._gpus()
            held = trainer_process.fork_trainer(self._run, self._request, gpus, ends_with_parent=self._job is not None)
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
        for told in (
            user_scope.logout_warning(),
            provenance.describe_package_changes(self._request.packages) if later else "",
        ):
            if told:
                self._log_event("warning", told)
        self._recorder = SystemRecorder(self._run, trainer_process.lab_of_run(self._run))
        return True

    def watch(self) -> None:
        """Sample and wait until the trainer has ended, then leave no process behind and write down the end."""
        assert self._recorder is not None
        while self._wait_status is None:
            self._recorder.sample_if_due()
            self._enforce_stop()
            self._wakeup.wait(self._next_wake_time(self._recorder.due) - time.monotonic())
            self._reap()
        self._recorder.flush()
        if self._job:
            self._wait_for_eviction_signal(self._wait_status)
        if told := end_processes(self._descendants, graceful=not self._was_killed):
            left = "a process" if len(told) == 1 else f"{len(told)} processes"
            self._log_event("warning", f"ended {left} that the trainer had left behind")
        how = determine_outcome(self._trainer_exit(self._wait_status))
        if self._job and self._wakeup.eviction_signal and not self._stop_requested() and how.cause == "stopped":
            self._handle_eviction(self._job, how)
        else:
            self._record_end(how)

    def wait_for_event_commands(self) -> None:
        """Let those be told who want to hear how it ended, before Slurm ends what belongs to the job."""
        if self._event_commands:
            self._event_commands.wait_until_done()

    def _wait_for_eviction_signal(self, wait_status: int) -> None:
        """Slurm sends SIGTERM to all processes of a job, and the trainer's end may be heard of before our own."""
        code = os.waitstatus_to_exitcode(wait_status)
        end = time.monotonic() + _EVICTION_SIGNAL_TIMEOUT
        while code in (-signal.SIGTERM, STOPPED_EXIT_CODE) and not (
            self._wakeup.eviction_signal or self._stop_requested()
        ):
            if time.monotonic() >= end:
                return
            self._wakeup.wait(end - time.monotonic())

    def _handle_eviction(self, job: SlurmJob, outcome: RunOutcome) -> None:
        """The trainer has ended because Slurm takes the job back. The run goes on when the job is started again;
        it has ended only where it will not be."""
        taken = job.explain_eviction(self._wakeup.eviction_signal)
        if taken.outcome is EvictionOutcome.CANCELLED:
            self._record_end(replace(outcome, detail=taken.reason))
            return
        if self._wakeup.eviction_signal == signal.SIGUSR2 and not self._has_made_progress():
            self._record_end(
                replace(outcome, detail="its time limit is too short for it to get anywhere; see [lab.slurm] time")
            )
            return
        # Before Slurm is asked: it ends this process as soon as it has heard.
        self._remove_working_files()
        self._log_event("requeued", taken.reason, fate=taken.outcome.name.lower())
        with contextlib.suppress(OSError):
            self._write_process(None, f"waits for Slurm job {job.job_id} to start again: {taken.reason}")
        if taken.outcome is EvictionOutcome.ASK and (told := job.requeue()):
            self._record_end(replace(outcome, detail=f"{taken.reason}, and it could not be queued again: {told}"))

    def _has_made_progress(self) -> bool:
        """Whether this attempt has written anything that the next one can build on."""
        began, written = self._start_time, [*metric_files(self._run), self._run.checkpoints]
        if self._request.trainer == "command":
            written.append(self._run.log)
        return any(path.exists() and path.stat().st_mtime >= began for path in written)

    def _start_event(self) -> tuple[str, str]:
        return ("started", "") if self._attempt == 1 else ("resumed", f"attempt {self._attempt}")

    def _end_processes_of_earlier_attempt(self) -> None:
        if former := Process.read(self._run):
            end_processes(lambda: processes_of_run(self._request.uuid, former.trainer), graceful=False)

    def _write_process(self, trainer_identity: ProcessIdentity | None, waiting_reason: str = "") -> None:
        launcher = self._job.launcher if self._job else "local"
        Process(
            self._request.uuid,
            self._attempt,
            self._identity,
            trainer_identity,
            self._start_time,
            launcher,
            waiting_reason,
            self._gpus(),
        ).write(self._run)

    def _gpus(self) -> list[int]:
        return list(self._job.gpus if self._job else self._lease.gpus if self._lease else ())

    def _stop_requested(self) -> bool:
        return self._wakeup.stop_requested or (self._job is not None and self._job.stop_requested())

    def _next_wake_time(self, due: float) -> float:
        if self._job:
            due = min(due, time.monotonic() + _STOP_MARK_INTERVAL)
        return due if self._deadline is None else min(due, self._deadline)

    def _enforce_stop(self) -> None:
        """Pass a request to stop on, once; kill everything when the grace period is over."""
        # Without its folder it can keep nothing, and nobody could find it to stop it.
        asked = self._stop_requested() or self._folder.is_deleted()
        if not (asked or self._wakeup.eviction_signal):
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._request.grace
            # A suspended process takes the first signal only after the second.
            send_signals(self._trainer, signal.SIGTERM, signal.SIGCONT)
            who = (
                "asked to stop" if asked else f"Slurm takes the job back ({signal_name(self._wakeup.eviction_signal)})"
            )
            self._log_event("stopping", f"{who}; {self._request.grace:g} s to do so", grace=self._request.grace)
        elif now >= self._deadline:
            self._deadline = now + 1.0
            self._was_killed = True
            for process in (*self._descendants(), self._trainer):
                send_signals(process, signal.SIGKILL)

    def _reap(self) -> None:
        """Collect every child that has ended; strays become children of a subreaper."""
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
        """The event first, `exit.json` last: whoever sees that finds everything else in place."""
        if self._lease:
            self._lease.release()
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
                if self._job:
                    self._job.clear_stop_request()
                self._remove_empty_log()
                return
            except FileNotFoundError:  # somebody deleted the run's folder
                return
            except OSError as error:
                sys.stderr.write(f"cannot write {self._run.exit}: {error}\n")
                self._wakeup.wait(_END_WRITE_PAUSE)

    def _remove_working_files(self) -> None:
        """Leave nothing but the record."""
        with contextlib.suppress(OSError):
            self._reserved_file.unlink(missing_ok=True)
            (self._run.path / f".attempt-{self._attempt}").unlink(missing_ok=True)

    def _remove_empty_log(self) -> None:
        """Last of all: what could not be written down is told there."""
        with contextlib.suppress(OSError):
            own = self._run.path / SUPERVISOR_LOG
            if own.stat().st_size == 0:
                own.unlink()

    def _log_event(self, kind: str, message: str, **more: object) -> None:
        """An event that may be lost to a full disk, because what comes after it matters more."""
        with contextlib.suppress(OSError):
            events.append_event(self._run, kind, message, **more)


def _identity_of(held: HeldProcess) -> ProcessIdentity:
    """The child's identity: it cannot vanish before it is waited for."""
    found = identity_of(held.pid)
    if found is None:
        raise StartRefused("/proc does not show the trainer; imgexp-tui needs a mounted /proc")
    return found


def _report_to_launcher(message: str) -> None:
    """Say how the start went, then let go of standard output: the launcher waits for its end."""
    with contextlib.suppress(OSError):
        os.write(1, message.encode("utf-8", "surrogateescape"))
    os.dup2(2, 1)


def main() -> int:
    """Supervise the run whose folder is the first argument; 1 where it was not even started."""
    if sys.argv[2:] == [JOB_ARGUMENT]:
        return _main_in_job(RunDir(Path(sys.argv[1])))
    if os.fork():
        os._exit(0)  # so that the supervisor is nobody's child
    try:
        supervisor = Supervisor(RunDir(Path(sys.argv[1]).absolute()))
        begun = supervisor.begin()
    except (StartRefused, OSError) as error:
        _report_to_launcher(_describe_error(error))
        return 1
    _report_to_launcher(begun or STARTED)
    if begun == STARTED or (begun == QUEUED and supervisor.wait_in_queue()):
        supervisor.watch()
    return 0


def _main_in_job(run: RunDir) -> int:
    """In the foreground: the job ends with this process. What it has to say stands in the job's own log."""
    try:
        if "SLURM_JOB_ID" not in os.environ:
            raise StartRefused("this is no Slurm job")
        supervisor = Supervisor(run, SlurmJob(run, os.environ))
        try:
            if supervisor.begin():
                supervisor.watch()
        finally:
            supervisor.wait_for_event_commands()
    except (StartRefused, OSError) as error:
        sys.stderr.write(f"{_describe_error(error)}\n")
        return 1
    return 0


def _describe_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    log_uncaught()
    sys.exit(main())
