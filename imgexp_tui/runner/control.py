"""Stops, resumes and awaits runs, from any process of this machine; each run's launcher does its part."""

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
    """One sentence that says why it was not done."""


def stop(run: RunDir) -> None:
    """Ask a run to stop; `wait_for_end` says when it has. Asking twice is the same as once.

    Its trainer gets SIGTERM and the request's grace period, then everything that is left of the run SIGKILL. Where
    the supervisor is gone, a process of its own does the same. A job that waits is cancelled; that may take some
    seconds.

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
    """Start a run that has ended once more, as its next attempt: the trainer goes on from its last checkpoint.

    Raises:
        ControlError: it is under way, has finished, or cannot be started.
    """
    found = status.status(run)
    if found.state.live:
        raise ControlError(f"{_run_name(run)} is {found.state}; only a run that has ended can be resumed")
    if found.state is State.FINISHED:
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
    """Wait until the run has ended; how it did."""
    poller = JobPoller()
    while (found := status.status(run)).state.live:
        poller.poll([run])
        time.sleep(_POLL_INTERVAL)
    return found


def _live_process(run: RunDir) -> Process:
    """The processes of a live run; one that is being launched right now is waited for."""
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        found = status.status(run)
        if not found.state.live:
            raise ControlError(f"{_run_name(run)} has ended: {found.state}, {found.evidence}")
        if found.process:
            return found.process
        if time.monotonic() > deadline:
            raise ControlError(f"{_run_name(run)} is still being started; try again in a moment")
        time.sleep(_POLL_INTERVAL)


def _run_name(run: RunDir) -> str:
    return f"{run.version}/{run.run_id}"
