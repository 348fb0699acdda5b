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
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.process_identity import Identity, identity
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner import provenance, user_scope
from imgexp_tui.runner.launchers.local import LOG, QUEUED, STARTED
from imgexp_tui.runner.launchers.slurm.job import IN_JOB, Fate, SlurmJob
from imgexp_tui.runner.queue.lease import PACE, Place
from imgexp_tui.runner.queue.queue import QueueError
from imgexp_tui.runner.signals import become_subreaper, name, send
from imgexp_tui.runner.supervisor import oom, trainer_process
from imgexp_tui.runner.supervisor.attempt import Refused, claim, myself, read_request
from imgexp_tui.runner.supervisor.cleanup import ROOM, clear
from imgexp_tui.runner.supervisor.event_command import Alerts
from imgexp_tui.runner.supervisor.folder_watch import Folder
from imgexp_tui.runner.supervisor.held_process import Held
from imgexp_tui.runner.supervisor.outcome import CANCELLED, STOPPED_CODE, Outcome, Seen, full_disk, judge, not_started
from imgexp_tui.runner.supervisor.process_cleanup import below, of_run, sweep
from imgexp_tui.runner.supervisor.recorder import SystemRecorder
from imgexp_tui.runner.supervisor.wakeup import Bell

_ROOM = 32_768
"""Bytes set aside while the run goes on, so that its end can be written down on a disk that it filled."""
_LAST_TRIES, _LAST_PAUSE = 30, 2.0
"""How often, and with how many seconds between, the end is tried to be written down."""
_MARK_PACE = 2.0
"""Seconds between two looks for the mark that asks a Slurm job to stop."""
_HEARING = 2.0
"""Seconds for a signal that has reached the trainer to reach the supervisor too."""


class Supervisor:
    """One attempt of one run, from claiming it to `exit.json`.

    Args:
        job: the Slurm job that this process is; None on a machine of one's own, where the run stands in the queue.
    """

    def __init__(self, run: RunDir, job: SlurmJob | None = None) -> None:
        self._run = run
        self._job = job
        self._folder = Folder(run.path)
        self._room = run.path / ROOM
        self._bell = Bell(in_job=job is not None)
        self._me = myself()
        self._request = read_request(run, in_job=job is not None)
        self._memory = oom.counter()
        self._attempt = claim(run, self._request, self._me, in_job=job is not None)
        self._place: Place | None = None
        self._waiting = ""
        self._began = time.time()
        self._recorder: SystemRecorder | None = None
        self._log_start = run.log.stat().st_size if run.log.exists() else 0
        self._wait_status: int | None = None
        self._deadline: float | None = None
        self._forced = False
        self._alerts: Alerts | None = None

    def begin(self) -> str:
        """Start the trainer, or stand in the queue for it. What came of it: `STARTED`, `QUEUED` or "" where it ended.

        Raises:
            OSError: the run's files cannot be written; no process is left.
            Refused: the queue cannot be used.
        """
        self._alerts = Alerts(self._run, self._request, self._attempt)
        become_subreaper()
        self._sweep_what_an_earlier_attempt_left()
        clear(self._run, self._attempt)
        durable.replace(self._room, bytes(_ROOM))
        self._write_process(None, "its supervisor is starting")
        if self._job:
            return self._begin_in_job(self._job)
        try:
            self._place = Place(self._run, self._request, self._me)
            waiting = self._place.ask()
        except QueueError as error:
            self._end(Outcome(None, None, "failed", str(error)), tries=1)
            raise Refused(str(error)) from None
        if not waiting:
            return STARTED if self._start(tries=1) else ""
        self._tell_waiting(waiting)
        return QUEUED

    def _begin_in_job(self, job: SlurmJob) -> str:
        """Slurm has given the place already. Somebody may have asked to stop before it did."""
        job.begin()
        if job.stop_asked():
            self._end(CANCELLED)
            return ""
        return STARTED if self._start(tries=_LAST_TRIES) else ""

    def wait(self) -> bool:
        """Wait in the queue. True where the trainer was started; False where the run has ended instead."""
        while self._place is not None and not (self._bell.stop_asked or self._folder.deleted()):
            try:
                if not (why := self._place.ask()):
                    return self._start(tries=_LAST_TRIES)
            except QueueError as error:
                why = str(error)
            self._tell_waiting(why)
            self._bell.wait(PACE)
        self._end(CANCELLED)
        return False

    def _tell_waiting(self, why: str) -> None:
        """Say why the run waits, where that has changed. A full disk may keep it from being said."""
        if why != self._waiting:
            with contextlib.suppress(OSError):
                self._write_process(None, why)
            if not self._waiting:
                self._log("queued", why)
            self._waiting = why

    def _start(self, *, tries: int) -> bool:
        """Start the trainer; False where that could not be done and the run has ended with it.

        It begins when its identity is written down: one that no file names could be stopped by nobody.

        Raises:
            OSError: its identity could not be written down; it was ended.
        """
        self._began = time.time()
        try:
            events.log(self._run, *self._greeting(), attempt=self._attempt, gpus=self._gpus())
            # In a job the trainer sees what Slurm lets it see.
            gpus = () if self._job else self._gpus()
            held = trainer_process.hold_ready(self._run, self._request, gpus, bound=self._job is not None)
        except OSError as error:
            self._end(not_started(self._request.argv[0], error), tries=tries)
            return False
        self._trainer = _known(held)
        try:
            self._write_process(self._trainer)
        except OSError as error:
            held.drop()
            sweep(self._strays, gently=False)
            self._end(not_started(self._request.argv[0], error), tries=tries)
            raise
        try:
            held.let_go()
        except OSError as error:
            self._end(not_started(self._request.argv[0], error), tries=tries)
            return False
        later = bool(self._waiting) or self._attempt > 1
        for told in (user_scope.threat(), provenance.changed(self._request.packages) if later else ""):
            if told:
                self._log("warning", told)
        self._recorder = SystemRecorder(self._run, trainer_process.lab_of(self._run))
        return True

    def watch(self) -> None:
        """Sample and wait until the trainer has ended, then leave no process behind and write down the end."""
        assert self._recorder is not None
        while self._wait_status is None:
            self._recorder.take()
            self._mind_the_stop()
            self._bell.wait(self._next_look(self._recorder.due) - time.monotonic())
            self._reap()
        self._recorder.flush()
        if self._job:
            self._hear_out(self._wait_status)
        if told := sweep(self._strays, gently=not self._forced):
            left = "a process" if len(told) == 1 else f"{len(told)} processes"
            self._log("warning", f"ended {left} that the trainer had left behind")
        how = judge(self._seen(self._wait_status))
        if self._job and self._bell.taken and not self._stop_asked() and how.cause == "stopped":
            self._give_back(self._job, how)
        else:
            self._end(how)

    def leave_job(self) -> None:
        """Let those be told who want to hear how it ended, before Slurm ends what belongs to the job."""
        if self._alerts:
            self._alerts.leave()

    def _hear_out(self, wait_status: int) -> None:
        """Slurm sends SIGTERM to all processes of a job, and the trainer's end may be heard of before our own."""
        code = os.waitstatus_to_exitcode(wait_status)
        end = time.monotonic() + _HEARING
        while code in (-signal.SIGTERM, STOPPED_CODE) and not (self._bell.taken or self._stop_asked()):
            if time.monotonic() >= end:
                return
            self._bell.wait(end - time.monotonic())

    def _give_back(self, job: SlurmJob, how: Outcome) -> None:
        """The trainer has ended because Slurm takes the job back. The run goes on when the job is started again;
        it has ended only where it will not be."""
        taken = job.taken(self._bell.taken)
        if taken.fate is Fate.CANCELLED:
            self._end(replace(how, detail=taken.why))
            return
        if self._bell.taken == signal.SIGUSR2 and not self._has_got_on():
            self._end(replace(how, detail="its time limit is too short for it to get anywhere; see [lab.slurm] time"))
            return
        # Before Slurm is asked: it ends this process as soon as it has heard.
        self._tidy()
        self._log("requeued", taken.why, fate=taken.fate.name.lower())
        with contextlib.suppress(OSError):
            self._write_process(None, f"waits for Slurm job {job.number} to start again: {taken.why}")
        if taken.fate is Fate.ASK and (told := job.requeue()):
            self._end(replace(how, detail=f"{taken.why}, and it could not be queued again: {told}"))

    def _has_got_on(self) -> bool:
        """Whether this attempt has written anything that the next one can build on."""
        began, written = self._began, [self._run.metrics, self._run.checkpoints]
        if self._request.trainer == "command":
            written.append(self._run.log)
        return any(path.exists() and path.stat().st_mtime >= began for path in written)

    def _greeting(self) -> tuple[str, str]:
        return ("started", "") if self._attempt == 1 else ("resumed", f"attempt {self._attempt}")

    def _sweep_what_an_earlier_attempt_left(self) -> None:
        if former := Process.read(self._run):
            sweep(lambda: of_run(self._request.uuid, former.trainer), gently=False)

    def _write_process(self, trainer_: Identity | None, waiting: str = "") -> None:
        launcher = self._job.launcher if self._job else "local"
        Process(
            self._request.uuid, self._attempt, self._me, trainer_, self._began, launcher, waiting, self._gpus()
        ).write(self._run)

    def _gpus(self) -> list[int]:
        return list(self._job.gpus if self._job else self._place.gpus if self._place else ())

    def _stop_asked(self) -> bool:
        return self._bell.stop_asked or (self._job is not None and self._job.stop_asked())

    def _next_look(self, due: float) -> float:
        if self._job:
            due = min(due, time.monotonic() + _MARK_PACE)
        return due if self._deadline is None else min(due, self._deadline)

    def _mind_the_stop(self) -> None:
        """Pass a request to stop on, once; kill everything when the grace period is over."""
        # Without its folder it can keep nothing, and nobody could find it to stop it.
        asked = self._stop_asked() or self._folder.deleted()
        if not (asked or self._bell.taken):
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._request.grace
            # A suspended process takes the first signal only after the second.
            send(self._trainer, signal.SIGTERM, signal.SIGCONT)
            who = "asked to stop" if asked else f"Slurm takes the job back ({name(self._bell.taken)})"
            self._log("stopping", f"{who}; {self._request.grace:g} s to do so", grace=self._request.grace)
        elif now >= self._deadline:
            self._deadline = now + 1.0
            self._forced = True
            for process in (*self._strays(), self._trainer):
                send(process, signal.SIGKILL)

    def _reap(self) -> None:
        """Collect every child that has ended; strays become children of a subreaper."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._trainer.pid and self._wait_status is None:
                    self._wait_status = ended[1]

    def _strays(self) -> list[Identity]:
        self._reap()
        return below(self._me.pid)

    def _seen(self, wait_status: int) -> Seen:
        return Seen(
            wait_status=wait_status,
            asked=self._deadline is not None or self._bell.taken != 0,
            forced=self._forced,
            grace=self._request.grace,
            shipped=self._request.trainer == "shipped",
            memory=self._memory.told() if self._memory else None,
            log=self._run.log,
            log_start=self._log_start,
            disk=full_disk(self._run.path),
        )

    def _end(self, how: Outcome, tries: int = _LAST_TRIES) -> None:
        """The event first, `exit.json` last: whoever sees that finds everything else in place."""
        if self._place:
            self._place.give_back()
        self._tidy()
        self._log("ended", f"{how.cause}: {how.detail}", cause=how.cause)
        last = Exit(self._request.uuid, self._attempt, how.exit_code, how.signal, how.cause, how.detail, time.time())
        for _ in range(tries):
            try:
                last.write(self._run)
                if self._job:
                    self._job.forget_stop()
                self._drop_empty_log()
                return
            except FileNotFoundError:  # somebody deleted the run's folder
                return
            except OSError as error:
                sys.stderr.write(f"cannot write {self._run.exit}: {error}\n")
                self._bell.wait(_LAST_PAUSE)

    def _tidy(self) -> None:
        """Leave nothing but the record."""
        with contextlib.suppress(OSError):
            self._room.unlink(missing_ok=True)
            (self._run.path / f".attempt-{self._attempt}").unlink(missing_ok=True)

    def _drop_empty_log(self) -> None:
        """Last of all: what could not be written down is told there."""
        with contextlib.suppress(OSError):
            own = self._run.path / LOG
            if own.stat().st_size == 0:
                own.unlink()

    def _log(self, kind: str, message: str, **more: object) -> None:
        """An event that may be lost to a full disk, because what comes after it matters more."""
        with contextlib.suppress(OSError):
            events.log(self._run, kind, message, **more)


def _known(held: Held) -> Identity:
    """The child's identity: it cannot vanish before it is waited for."""
    found = identity(held.pid)
    if found is None:
        raise Refused("/proc does not show the trainer; imgexp-tui needs a mounted /proc")
    return found


def _tell_launcher(word: str) -> None:
    """Say how the start went, then let go of standard output: the launcher waits for its end."""
    with contextlib.suppress(OSError):
        os.write(1, word.encode("utf-8", "surrogateescape"))
    os.dup2(2, 1)


def main() -> int:
    """Supervise the run whose folder is the first argument; 1 where it was not even started."""
    if sys.argv[2:] == [IN_JOB]:
        return _main_in_job(RunDir(Path(sys.argv[1])))
    if os.fork():
        os._exit(0)  # so that the supervisor is nobody's child
    try:
        supervisor = Supervisor(RunDir(Path(sys.argv[1]).absolute()))
        begun = supervisor.begin()
    except (Refused, OSError) as error:
        _tell_launcher(_sentence(error))
        return 1
    _tell_launcher(begun or STARTED)
    if begun == STARTED or (begun == QUEUED and supervisor.wait()):
        supervisor.watch()
    return 0


def _main_in_job(run: RunDir) -> int:
    """In the foreground: the job ends with this process. What it has to say stands in the job's own log."""
    try:
        if "SLURM_JOB_ID" not in os.environ:
            raise Refused("this is no Slurm job")
        supervisor = Supervisor(run, SlurmJob(run, os.environ))
        try:
            if supervisor.begin():
                supervisor.watch()
        finally:
            supervisor.leave_job()
    except (Refused, OSError) as error:
        sys.stderr.write(f"{_sentence(error)}\n")
        return 1
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
