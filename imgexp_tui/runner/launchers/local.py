"""Starts and stops runs on this machine, as processes that outlive the one that starts them.

They continue when the terminal closes, the connection drops or the app is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from imgexp_tui.monitor.proc import read_environment
from imgexp_tui.notebook.schema.launchers import LOCAL
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner import user_scope
from imgexp_tui.runner.launchers.base import (
    QUEUED,
    STARTED,
    SUPERVISOR_LOG,
    SUPERVISOR_MODULE,
    Launcher,
    LauncherError,
    RunsElsewhereError,
)
from imgexp_tui.runner.signals import send_signals
from imgexp_tui.runner.supervisor.process_cleanup import RUN_UUID_VARIABLE
from imgexp_tui.text import clean_line

ORPHAN_MODULE = "imgexp_tui.runner.orphan"
_START_TIMEOUT = 120.0
"""Seconds for a start: Python on a slow network file system."""
_RELEASE_TIMEOUT = 5.0


class NotStartedError(LauncherError):
    """The process was not started; the message is one sentence that says why."""


class LocalLauncher:
    """Runs are processes of this machine; where they start, and when, its queue decides (`runner/queue/`)."""

    schema = LOCAL

    def submit(self, run: RunDir, request: Request) -> None:
        """Start the run's supervisor, which takes its place in the queue."""
        start_supervisor(run)

    def stop(self, run: RunDir, process: Process) -> None:
        """Send SIGTERM to the supervisor; where that is gone, start a process that ends the run in its place.

        Raises:
            RunsElsewhereError: the run's processes are on another machine.
        """
        for known in (process.supervisor, process.trainer):
            if known and not known.is_on_this_host:
                raise RunsElsewhereError(known.host)
        if process.supervisor and send_signals(process.supervisor, signal.SIGTERM):
            return
        if process.trainer and process.trainer.is_alive():
            start_detached(ORPHAN_MODULE, run)

    def poll(self, runs: Iterable[RunDir]) -> None:
        """Nothing: the processes of this machine show what state a run is in."""

    def diagnose(self) -> None:
        """None: there is nothing to check."""

    def current_job(self, run: RunDir, environ: Mapping[str, str]) -> NoReturn:
        """Raises LauncherError: a run of this machine is no job."""
        raise LauncherError("the run's launcher is local; start it by: imgexp-tui resume")


LAUNCHER: Launcher = LocalLauncher()


def start_supervisor(run: RunDir) -> None:
    """Start the supervisor of a run, as `start_detached` does.

    Where it is killed when its trainer has just begun, the run is under way all the same.
    """
    try:
        start_detached(SUPERVISOR_MODULE, run)
    except NotStartedError:
        process = Process.read(run)
        if not (process and process.trainer and _trainer_was_released(process.trainer, process.uuid)):
            raise


def start_detached(module: str, run: RunDir) -> None:
    """Run `python -m module RUN_DIR` in a session of its own, with files for stdio, and wait for its first word.

    The module forks once, so that its process is a child of nobody's; what it says stands in `supervisor.log`.

    Raises:
        NotStartedError: the module answered something else, which is the message.
        OSError: its log cannot be written.
    """
    words = [sys.executable, "-P", "-m", module, os.fspath(run.path.absolute())]
    before = user_scope.scope_command()
    answer = _read_first_word([*before, *words], run)
    if not answer and before:  # there is no manager of the user's to ask; the supervisor says what that means
        answer = _read_first_word(words, run)
    if answer not in (STARTED, QUEUED):
        raise NotStartedError(
            clean_line(answer) or f"its supervisor ended at once: {_last_line(run.path / SUPERVISOR_LOG)}"
        )


def _read_first_word(command: list[str], run: RunDir) -> str:
    """Starts a process and returns what it writes to standard output before it closes that."""
    with (run.path / SUPERVISOR_LOG).open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd="/",
            env={k: v for k, v in os.environ.items() if not k.startswith("IMGEXP_RUN_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        return child.communicate(timeout=_START_TIMEOUT)[0].decode("utf-8", "replace").strip()
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise NotStartedError(f"its supervisor did not come up within {_START_TIMEOUT:g} s") from None


def _trainer_was_released(trainer: ProcessIdentity, uuid: str) -> bool:
    """Whether a trainer that has lost its supervisor is past the gate: it bears the run's mark then, else it ends."""
    deadline = time.monotonic() + _RELEASE_TIMEOUT
    while trainer.is_alive():
        if f"{RUN_UUID_VARIABLE}={uuid}".encode() in read_environment(trainer.pid) or time.monotonic() > deadline:
            return True
        time.sleep(0.01)
    return False


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n")
    return clean_line(next((line for line in reversed(lines) if line.strip()), "it said nothing"))
