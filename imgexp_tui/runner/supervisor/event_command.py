"""Runs the command `[lab] on_event` for events of a run, in a process that is not below the supervisor.

The supervisor samples and ends everything below itself, and a command may start the next run. So this process is forked
and orphaned before the supervisor begins to adopt orphans. It reads the run's files, so a command that hangs, prints
without end or is missing delays only other commands. A socket shared with the supervisor closes as soon as the
supervisor ends; if the trainer continues without a supervisor, so does this process.
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

from imgexp_tui.notebook.schema.command import fill_placeholders
from imgexp_tui.records import status
from imgexp_tui.records.alerts import Alert, AlertDetector
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.metric import request_judges
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State
from imgexp_tui.runner.supervisor.trainer_process import lab_of_run, search_path
from imgexp_tui.text import format_duration

EVENT_COMMAND_LOG = "alerts.log"
"""The log of the commands' output and of those that failed."""
TIME_LIMIT = 60.0
"""Seconds that a command may take."""
_MAX_LOG_BYTES = 1 << 20
"""Bytes that the log may have."""
_POLL_INTERVAL = 1.0
_BEST_INTERVAL = 60.0
"""Seconds between two commands for a new best: epochs may be short, and the latest is the one that counts."""
_VARIABLE_PREFIX = "IMGEXP_"
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


class EventCommandProcess:
    """The supervisor's handle of the process that runs event commands. Without a command there is no process."""

    def __init__(self, run: RunDir, request: Request, attempt: int) -> None:
        self._socket = -1
        if request.on_event:
            with contextlib.suppress(OSError):  # no room for a process: the run matters more
                self._socket = _fork_process(run, request, attempt)

    def wait_until_done(self) -> None:
        """Wait until the command for the end has run: the end of a cluster's job takes all of its processes along."""
        if self._socket >= 0:
            with contextlib.suppress(OSError):  # it is gone
                os.write(self._socket, b"!")
            select.select([self._socket], [], [], 2 * TIME_LIMIT)


def _fork_process(run: RunDir, request: Request, attempt: int) -> int:
    """Fork the process; our end of a socket whose other end it has."""
    ours, theirs = socket.socketpair()
    began = time.time()
    with theirs:
        child = os.fork()
        if child == 0:
            _run_in_fork(run, request, attempt, theirs.fileno(), began)
        os.waitpid(child, 0)
    return ours.detach()


def _run_in_fork(run: RunDir, request: Request, attempt: int, supervisor_socket: int, start_time: float) -> NoReturn:
    """Runs in the fork: closes what belongs to the supervisor, then watches the run until its end."""
    try:
        signal.set_wakeup_fd(-1)  # it would wake the supervisor
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
            if fd > 2 and fd != supervisor_socket:
                with contextlib.suppress(OSError):
                    os.close(fd)
        _RunEventWatcher(run, request, attempt, supervisor_socket, start_time).watch()
    except Exception:  # noqa: BLE001 - a fork must not go on as a second supervisor
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


class _RunEventWatcher:
    """Watches one attempt of a run, and runs the command for its events."""

    def __init__(self, run: RunDir, request: Request, attempt: int, supervisor_socket: int, start_time: float) -> None:
        self._run, self._request, self._attempt = run, request, attempt
        self._supervisor_socket = supervisor_socket
        self._since = start_time if attempt > 1 else 0.0
        self._detector = AlertDetector(run)
        self._detector.judges = request_judges(request)
        self._source = open_source(run)
        self._best: Alert | None = None
        self._best_due = 0.0

    def watch(self) -> None:
        """Watches until the attempt has ended and the command for its end has run."""
        orphaned = False
        while self._poll(supervisor_gone=orphaned):
            if orphaned:
                time.sleep(_POLL_INTERVAL)
            else:
                orphaned = bool(select.select([self._supervisor_socket], [], [], _POLL_INTERVAL)[0])

    def _poll(self, *, supervisor_gone: bool) -> bool:
        """Polls once and runs due commands; returns False if no more events can come."""
        if not self._run.path.exists():  # deleted or moved
            return False
        now = status.status(self._run, self._request)
        while batch := self._source.read_new():
            if self._source.replaced:
                self._detector.reset_metrics()
            for record in batch:
                self._detector.add_line(record)
        if now.attempt > self._attempt:
            return False
        current = now.attempt == self._attempt
        if current:
            self._detector.update_status(now)
        ended = current and not now.state.live
        for alert in self._detector.take_new(self._since):
            self._handle_alert(alert)
        if self._best and (ended or time.monotonic() >= self._best_due):
            self._run_pending_best()
        if ended or not supervisor_gone:
            return not ended
        # The supervisor is gone: what goes on is a trainer by itself. A run that waits will have another supervisor.
        return current and now.state is not State.QUEUED

    def _handle_alert(self, alert: Alert) -> None:
        """A new best may wait, but not behind the end of its run."""
        if alert.kind == "best":
            self._best = alert
            return
        if self._best and alert.kind in ("finished", "failed"):
            self._run_pending_best()
        self._run_command(alert)

    def _run_pending_best(self) -> None:
        if self._best:
            self._best_due = time.monotonic() + _BEST_INTERVAL
            best, self._best = self._best, None
            self._run_command(best)

    def _run_command(self, alert: Alert) -> None:
        with contextlib.suppress(OSError):  # a full disk
            run_event_command(self._run, self._request, self._attempt, alert)


def run_event_command(run: RunDir, request: Request, attempt: int, alert: Alert) -> None:
    """Run the command for an event, at most for `TIME_LIMIT` seconds.

    Raises:
        OSError: the log cannot be written.
    """
    path = run.path / EVENT_COMMAND_LOG
    if path.exists() and path.stat().st_size >= _MAX_LOG_BYTES:
        os.truncate(path, 0)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "ab", buffering=0) as log:
        problem = _run_to_end(
            _command_line(run, request, alert), run, _event_environment(run, attempt, alert), log.fileno()
        )
        if problem:
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            log.write(f"{when} {alert.kind}: {problem}\n".encode("utf-8", "replace"))
    if path.stat().st_size == 0:
        path.unlink()


def _run_to_end(command: list[str], run: RunDir, env: dict[str, str], log: int) -> str:
    """Runs a command to its end; returns what went wrong, "" if nothing did."""
    try:
        child = subprocess.Popen(
            command,
            cwd=lab_of_run(run),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot start {command[0]}: {getattr(error, 'strerror', None) or error}"
    end = time.monotonic() + TIME_LIMIT
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(0.5)
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            return f"{command[0]} ended with {how}" if code else ""
        printed = os.fstat(log).st_size
        if time.monotonic() >= end or printed > _MAX_LOG_BYTES:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if printed > _MAX_LOG_BYTES:
                os.ftruncate(log, _MAX_LOG_BYTES)
                return f"{command[0]} was killed: it printed more than a megabyte"
            return f"{command[0]} was killed: it took longer than {format_duration(TIME_LIMIT)}"


def _command_line(run: RunDir, request: Request, alert: Alert) -> list[str]:
    names = {"event": alert.kind, "version": alert.version, "run": alert.run, "message": alert.message}
    return fill_placeholders(request.on_event, {**names, "run_dir": os.fspath(run.path)})


def _event_environment(run: RunDir, attempt: int, alert: Alert) -> dict[str, str]:
    """The environment of the supervisor and what happened; nothing of another event, nor what marks a run's process."""
    values = (
        alert.kind,
        alert.message,
        alert.version,
        alert.run,
        run.path,
        lab_of_run(run),
        alert.state,
        attempt,
        alert.metric,
        alert.value,
        alert.step,
        alert.epoch,
    )
    names = [_VARIABLE_PREFIX + name for name in _VARIABLES]
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {name: str(value) for name, value in zip(names, values, strict=True) if value not in (None, "")}
    environment["PATH"] = search_path(environment)
    return environment
