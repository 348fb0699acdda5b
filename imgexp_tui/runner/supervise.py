"""The supervisor: one process per run that starts the trainer, watches over it, and writes down how it ended.

It loads neither torch nor Textual, lives in a session of its own with files for stdio, and is nobody's child, so
that neither the app's end nor a dropped connection touches it. If it is killed itself, the trainer goes on.

    python -m imgexp_tui.runner.supervise RUN_DIR

What it says on standard output is for the launcher alone: "started", "queued", or one sentence that says why not.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from itertools import count
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.records import events, state
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.identity import Identity, identity
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner import out_of_memory, trainer
from imgexp_tui.runner.claim import Taken, take
from imgexp_tui.runner.detached import LOG, QUEUED, STARTED
from imgexp_tui.runner.folder import Folder
from imgexp_tui.runner.gate import Held
from imgexp_tui.runner.leftovers import ROOM, clear
from imgexp_tui.runner.outcome import CANCELLED, Outcome, Seen, full_disk, judge
from imgexp_tui.runner.place import PACE, Place
from imgexp_tui.runner.queue import WAKE, QueueError
from imgexp_tui.runner.recorder import SystemRecorder
from imgexp_tui.runner.signals import become_subreaper, send
from imgexp_tui.runner.sweep import below, of_run, sweep

_ROOM = 32_768
"""Bytes set aside while the run goes on, so that its end can be written down on a disk that it filled."""
_LAST_TRIES, _LAST_PAUSE = 30, 2.0
"""How often, and with how many seconds between, the end is tried to be written down."""


class Refused(Exception):
    """One sentence that says why the run is not started."""


class Bell:
    """Wakes the supervisor for a child's end and for a request to stop, and lets nothing else end it.

    Handlers, unlike SIG_IGN and a blocked mask, are not handed down to the trainer (man 2 execve).
    """

    def __init__(self) -> None:
        self.stop_asked = False
        self._ear, mouth = os.pipe()
        for end in (self._ear, mouth):
            os.set_blocking(end, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        for signum in (signal.SIGHUP, signal.SIGCHLD, WAKE):
            signal.signal(signum, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._ask_to_stop)

    def wait(self, seconds: float) -> None:
        """Until a signal comes, at most this long."""
        select.select([self._ear], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._ear, 4096):
                pass

    def _ask_to_stop(self, *_: object) -> None:
        self.stop_asked = True


class Supervisor:
    """One attempt of one run, from claiming it to `exit.json`."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._folder = Folder(run.path)
        self._room = run.path / ROOM
        self._bell = Bell()
        self._me = _myself()
        self._request = self._read_request()
        self._memory = out_of_memory.counter()
        self._attempt = self._claim()
        self._place: Place | None = None
        self._waiting = ""
        self._began = time.time()
        self._recorder: SystemRecorder | None = None
        self._log_start = run.log.stat().st_size if run.log.exists() else 0
        self._wait_status: int | None = None
        self._deadline: float | None = None
        self._forced = False

    def begin(self) -> str:
        """Start the trainer, or stand in the queue for it. What came of it: `STARTED`, `QUEUED` or "" where it ended.

        Raises:
            OSError: the run's files cannot be written; no process is left.
            Refused: the queue cannot be used.
        """
        become_subreaper()
        self._sweep_what_an_earlier_attempt_left()
        clear(self._run, self._attempt)
        durable.replace(self._room, bytes(_ROOM))
        self._write_process(None, "its supervisor is starting")
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

    def wait(self) -> bool:
        """Wait in the queue. True where the trainer was started; False where the run has ended instead."""
        while self._place is not None and not (self._bell.stop_asked or self._folder.deleted()):
            try:
                if not (now := self._place.ask()):
                    return self._start(tries=_LAST_TRIES)
            except QueueError as error:
                now = str(error)
            self._tell_waiting(now)
            self._bell.wait(PACE)
        self._end(CANCELLED)
        return False

    def _tell_waiting(self, now: str) -> None:
        """Say why the run waits, where that has changed. A full disk may keep it from being said."""
        before, self._waiting = self._waiting, now
        if now != before:
            with contextlib.suppress(OSError):
                self._write_process(None, now)
            if not before:
                self._log("queued", now)

    def _start(self, *, tries: int) -> bool:
        """Start the trainer; False where that could not be done and the run has ended with it.

        It begins when its identity is written down: one that no file names could be stopped by nobody.

        Raises:
            OSError: its identity could not be written down; it was ended.
        """
        self._began = time.time()
        gpus = self._place.gpus if self._place else ()
        try:
            events.log(self._run, *self._greeting(), attempt=self._attempt, gpus=list(gpus))
            held = trainer.hold_ready(self._run, self._request, gpus)
        except OSError as error:
            self._end(_not_started(self._request, error), tries=tries)
            return False
        self._trainer = _known(held)
        try:
            self._write_process(self._trainer)
        except OSError as error:
            held.drop()
            sweep(self._strays, gently=False)
            self._end(_not_started(self._request, error), tries=tries)
            raise
        try:
            held.let_go()
        except OSError as error:
            self._end(_not_started(self._request, error), tries=tries)
            return False
        self._recorder = SystemRecorder(self._run, trainer.lab_of(self._run))
        return True

    def watch(self) -> None:
        """Sample and wait until the trainer has ended, then leave no process behind and write down the end."""
        assert self._recorder is not None
        while self._wait_status is None:
            self._recorder.take()
            self._mind_the_stop()
            self._bell.wait(self._next_look(self._recorder.due) - time.monotonic())
            self._reap()
        if told := sweep(self._strays, gently=not self._forced):
            left = "a process" if len(told) == 1 else f"{len(told)} processes"
            self._log("warning", f"ended {left} that the trainer had left behind")
        self._end(judge(self._seen(self._wait_status)))

    def _read_request(self) -> Request:
        request = Request.read(self._run)
        if request is None:
            raise Refused(f"{self._run.request} is missing or damaged")
        return request

    def _claim(self) -> int:
        """The number of this attempt, which no other supervisor has: whoever creates its file first."""
        former = Process.read(self._run)
        for attempt in count(former.attempt + 1 if former else 1):
            claim = self._run.path / f".attempt-{attempt}"
            try:
                if take(claim, self._me):
                    break
            except Taken:
                raise Refused("the run is being started already") from None
        now = Process.read(self._run)  # another may have claimed, run and ended since the first look
        if now and (now.attempt >= attempt or state.status(self._run, self._request).state.live):
            claim.unlink()
            raise Refused("the run is under way already")
        return attempt

    def _greeting(self) -> tuple[str, str]:
        return ("started", "") if self._attempt == 1 else ("resumed", f"attempt {self._attempt}")

    def _sweep_what_an_earlier_attempt_left(self) -> None:
        if former := Process.read(self._run):
            sweep(lambda: of_run(self._request.uuid, former.trainer), gently=False)

    def _write_process(self, trainer_: Identity | None, waiting: str = "") -> None:
        gpus = list(self._place.gpus) if self._place else []
        Process(self._request.uuid, self._attempt, self._me, trainer_, self._began, waiting=waiting, gpus=gpus).write(
            self._run
        )

    def _next_look(self, due: float) -> float:
        return due if self._deadline is None else min(due, self._deadline)

    def _mind_the_stop(self) -> None:
        """Pass a request to stop on, once; kill everything when the grace period is over."""
        # Without its folder it can keep nothing, and nobody could find it to stop it.
        if not (self._bell.stop_asked or self._folder.deleted()):
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._request.grace
            # A suspended process takes the first signal only after the second.
            send(self._trainer, signal.SIGTERM, signal.SIGCONT)
            self._log("stopping", f"asked to stop; {self._request.grace:g} s to do so", grace=self._request.grace)
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
            asked=self._deadline is not None,
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


def _myself() -> Identity:
    me = identity(os.getpid())
    if me is None:
        raise Refused("/proc does not show this process; imgexp-tui needs a mounted /proc")
    return me


def _known(held: Held) -> Identity:
    """The child's identity: it cannot vanish before it is waited for."""
    found = identity(held.pid)
    if found is None:
        raise Refused("/proc does not show the trainer; imgexp-tui needs a mounted /proc")
    return found


def _not_started(request: Request, error: OSError) -> Outcome:
    """The exit codes are a shell's: 127 for a program that is not there, 126 for one that may not be run."""
    code = 127 if isinstance(error, FileNotFoundError) else 126
    return Outcome(code, None, "failed", f"cannot start {error.filename or request.argv[0]}: {error.strerror}")


def _tell_launcher(word: str) -> None:
    """Say how the start went, then let go of standard output: the launcher waits for its end."""
    with contextlib.suppress(OSError):
        os.write(1, word.encode("utf-8", "surrogateescape"))
    os.dup2(2, 1)


def main() -> int:
    """Supervise the run whose folder is the only argument; 1 where it was not even started."""
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


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
