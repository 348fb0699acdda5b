"""Runs `[lab] on_event` for what happens to a run, from a process beside its supervisor.

Beside, not below: the supervisor collects, samples and ends everything below itself, and a command may start the next
run. So the process is forked, and orphaned, before the supervisor begins to adopt orphans. It reads the run's files as
anybody does, so that a command that hangs, prints without end or is not there delays other commands and nothing else.
A pipe whose other end the supervisor holds tells it at once that the supervisor has ended, however that went; where the
trainer goes on without one, so does this process.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from imgexp_tui.notebook.schema.command import fill
from imgexp_tui.records import status
from imgexp_tui.records.alerts import Alert, News
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State
from imgexp_tui.runner.supervisor.trainer_process import lab_of, path_of
from imgexp_tui.text import duration

LOG = "alerts.log"
"""What the commands printed, and how those ended that did not end well."""
LIMIT = 60.0
"""Seconds that a command may take."""
_MOST = 1 << 20
"""Bytes that the log may have."""
_PACE = 1.0
_BEST_PACE = 60.0
"""Seconds between two commands for a new best: epochs may be short, and the latest is the one that counts."""
_OURS = "IMGEXP_"
_VARIABLES = (
    "EVENT",
    "MESSAGE",
    "VERSION",
    "RUN",
    "FOLDER",
    "LAB",
    "STATE",
    "ATTEMPT",
    "METRIC",
    "VALUE",
    "STEP",
    "EPOCH",
)


class Alerts:
    """The process beside one attempt, as its supervisor holds it. There is none where nothing is to be run."""

    def __init__(self, run: RunDir, request: Request, attempt: int) -> None:
        self._gone = -1
        if request.on_event:
            with contextlib.suppress(OSError):  # no room for a process: the run matters more
                self._gone = _beside(run, request, attempt)

    def leave(self) -> None:
        """Wait until it has told of the end. For a Slurm job, whose end takes all of its processes along."""
        if self._gone >= 0:
            with contextlib.suppress(OSError):  # it is gone
                os.write(self._gone, b"!")
            select.select([self._gone], [], [], 2 * LIMIT)


def _beside(run: RunDir, request: Request, attempt: int) -> int:
    """Fork the process; our end of a socket whose other end it has."""
    ours, theirs = socket.socketpair()
    began = time.time()
    with theirs:
        child = os.fork()
        if child == 0:
            _become(run, request, attempt, theirs.fileno(), began)
        os.waitpid(child, 0)
    return ours.detach()


def _become(run: RunDir, request: Request, attempt: int, ear: int, began: float) -> NoReturn:
    """In the fork: let go of everything that is the supervisor's, then look on until there is nothing more to see."""
    try:
        signal.set_wakeup_fd(-1)  # it would ring the supervisor's bell
        os.setsid()
        if os.fork():
            os._exit(0)
        for signum in (
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
        ):  # it ends after its run
            signal.signal(signum, lambda *_: None)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        for fd in [int(p.name) for p in Path("/proc/self/fd").iterdir()]:
            if fd > 2 and fd != ear:
                with contextlib.suppress(OSError):
                    os.close(fd)
        _Lookout(run, request, attempt, ear, began).stay()
    except Exception:  # noqa: BLE001 - a fork must not go on as a second supervisor
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


class _Lookout:
    """Looks at one attempt of a run, and runs the command for what it sees."""

    def __init__(self, run: RunDir, request: Request, attempt: int, ear: int, began: float) -> None:
        self._run, self._request, self._attempt = run, request, attempt
        self._ear = ear
        self._since = began if attempt > 1 else 0.0
        self._news = News(run)
        self._tail = LineTail(run.metrics)
        self._best: Alert | None = None
        self._best_due = 0.0

    def stay(self) -> None:
        """Until the attempt has ended and that was told."""
        alone = False
        while self._look(alone=alone):
            if alone:
                time.sleep(_PACE)
            else:
                alone = bool(select.select([self._ear], [], [], _PACE)[0])

    def _look(self, *, alone: bool) -> bool:
        """Look, and run what is to be run; False where nothing more is to come."""
        if not self._run.path.exists():  # deleted or moved
            return False
        now = status.status(self._run, self._request)
        while batch := self._tail.poll():
            if self._tail.restarted:
                self._news.restart()
            for record in batch:
                self._news.line(record)
        if now.attempt > self._attempt:
            return False
        current = now.attempt == self._attempt
        if current:
            self._news.state(now)
        ended = current and not now.state.live
        for alert in self._news.take(self._since):
            self._weigh(alert)
        if self._best and (ended or time.monotonic() >= self._best_due):
            self._tell_best()
        if ended or not alone:
            return not ended
        # The supervisor is gone: what goes on is a trainer by itself. A run that waits will have another supervisor.
        return current and now.state is not State.QUEUED

    def _weigh(self, alert: Alert) -> None:
        """A new best may wait, but not behind the end of its run."""
        if alert.kind == "best":
            self._best = alert
            return
        if self._best and alert.kind in ("finished", "failed"):
            self._tell_best()
        self._tell(alert)

    def _tell_best(self) -> None:
        if self._best:
            self._best_due = time.monotonic() + _BEST_PACE
            best, self._best = self._best, None
            self._tell(best)

    def _tell(self, alert: Alert) -> None:
        with contextlib.suppress(OSError):  # a full disk
            tell(self._run, self._request, self._attempt, alert)


def tell(run: RunDir, request: Request, attempt: int, alert: Alert) -> None:
    """Run the command for an event, at most for `LIMIT` seconds.

    Raises:
        OSError: the log cannot be written.
    """
    path = run.path / LOG
    if path.exists() and path.stat().st_size >= _MOST:
        os.truncate(path, 0)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "ab", buffering=0) as log:
        said = _run(_words(run, request, alert), run, _environment(run, attempt, alert), log.fileno())
        if said:
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            log.write(f"{when} {alert.kind}: {said}\n".encode("utf-8", "replace"))
    if path.stat().st_size == 0:
        path.unlink()


def _run(words: list[str], run: RunDir, env: dict[str, str], log: int) -> str:
    """Run a command to its end, whatever that is; what is to be complained about."""
    try:
        child = subprocess.Popen(
            words,
            cwd=lab_of(run),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot start {words[0]}: {getattr(error, 'strerror', None) or error}"
    end = time.monotonic() + LIMIT
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(0.5)
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            return f"{words[0]} ended with {how}" if code else ""
        printed = os.fstat(log).st_size
        if time.monotonic() >= end or printed > _MOST:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if printed > _MOST:
                os.ftruncate(log, _MOST)
                return f"{words[0]} was killed: it printed more than a megabyte"
            return f"{words[0]} was killed: it took longer than {duration(LIMIT)}"


def _words(run: RunDir, request: Request, alert: Alert) -> list[str]:
    names = {"event": alert.kind, "version": alert.version, "run": alert.run, "message": alert.message}
    return fill(request.on_event, {**names, "run_dir": os.fspath(run.path)})


def _environment(run: RunDir, attempt: int, alert: Alert) -> dict[str, str]:
    """The environment of the supervisor and what happened; nothing of another event, nor what marks a run's process."""
    values = (
        alert.kind,
        alert.message,
        alert.version,
        alert.run,
        run.path,
        lab_of(run),
        alert.state,
        attempt,
        alert.metric,
        alert.value,
        alert.step,
        alert.epoch,
    )
    names = [_OURS + name for name in _VARIABLES]
    found = {name: value for name, value in os.environ.items() if name not in names}
    found |= {name: str(value) for name, value in zip(names, values, strict=True) if value not in (None, "")}
    found["PATH"] = path_of(found)
    return found
