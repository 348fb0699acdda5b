"""Stops, resumes and awaits runs through the launcher of each run; `signals.py` sends the signals."""

from __future__ import annotations

import time

from imgexp_tui.records import status
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.runner.extras import missing_trainer_error
from imgexp_tui.runner.launchers import find_launcher
from imgexp_tui.runner.launchers.base import LauncherError, RunsElsewhereError
from imgexp_tui.runner.launchers.poller import JobPoller

_POLL_INTERVAL = 0.1
_START_TIMEOUT = 10.0


class ControlError(Exception):
    """A run could not be stopped or resumed; the message is one sentence that says why."""


def stop(run: RunDir) -> None:
    """Asks a run to stop; `wait_for_end` waits until it has. Calling it twice has the same effect as once.

    The trainer gets SIGTERM and the request's grace period; then all remaining processes of the run get SIGKILL. If the
    supervisor is gone, a separate process does the same. A waiting job is cancelled, which may take some seconds.

    Raises:
        ControlError: the run has ended, or lives on another machine, or its launcher could not stop it.
    """
    process = _live_process(run)
    try:
        find_launcher(process.launcher_name).stop(run, process)
    except RunsElsewhereError as error:
        raise ControlError(f"{_run_name(run)} runs on {error.host}; stop it there") from None
    except (OSError, LauncherError) as error:
        raise ControlError(f"cannot stop {_run_name(run)}: {error}") from None


def resume(run: RunDir) -> None:
    """Starts the next attempt of a run that has ended: the trainer continues from its last checkpoint.

    Raises:
        ControlError: the run is live, has finished, or cannot be started.
    """
    current = status.status(run)
    if current.state.live:
        raise ControlError(f"{_run_name(run)} is {current.state}; only a run that has ended can be resumed")
    if current.state is State.FINISHED:
        raise ControlError(f"{_run_name(run)} has finished; there is nothing to resume")
    request = Request.read(run)
    if request and request.trainer == "shipped" and (missing := missing_trainer_error()):
        raise ControlError(f"cannot resume {_run_name(run)}: {missing}")
    try:
        if request is None:
            raise LauncherError(f"{run.request} is missing or damaged")
        find_launcher(request.launcher).submit(run, request)
    except (OSError, LauncherError) as error:
        raise ControlError(f"cannot resume {_run_name(run)}: {error}") from None


def wait_for_end(run: RunDir) -> Status:
    """Waits until the run has ended; returns its last status."""
    poller = JobPoller()
    while (current := status.status(run)).state.live:
        poller.poll([run])
        time.sleep(_POLL_INTERVAL)
    return current


def _live_process(run: RunDir) -> Process:
    """Returns the processes of a live run; waits for a run that is being launched right now."""
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        current = status.status(run)
        if not current.state.live:
            raise ControlError(f"{_run_name(run)} has ended: {current.state}, {current.evidence}")
        if current.process:
            return current.process
        if time.monotonic() > deadline:
            raise ControlError(f"{_run_name(run)} is still being started; try again in a moment")
        time.sleep(_POLL_INTERVAL)


def _run_name(run: RunDir) -> str:
    return f"{run.version}/{run.run_id}"
