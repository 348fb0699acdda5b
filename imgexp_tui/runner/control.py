"""Stopping, resuming and awaiting runs, from any process of this machine; those of Slurm from any that sees them."""

from __future__ import annotations

import signal
import time

from imgexp_tui.records import status
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.runner.extras import missing_trainer_error
from imgexp_tui.runner.launchers import local
from imgexp_tui.runner.launchers.slurm import stop as slurm_stop
from imgexp_tui.runner.launchers.slurm.api import SlurmError
from imgexp_tui.runner.launchers.slurm.poll import SlurmPoller
from imgexp_tui.runner.launchers.slurm.submit import submit
from imgexp_tui.runner.signals import send_signals

_POLL_INTERVAL = 0.1
_START_TIMEOUT = 10.0


class ControlError(Exception):
    """One sentence that says why it was not done."""


def stop(run: RunDir) -> None:
    """Ask a run to stop; `wait_for_end` says when it has. Asking twice is the same as once.

    Its trainer gets SIGTERM and the request's grace period, then everything that is left of the run SIGKILL. Where
    the supervisor is gone, a process of its own does the same. A job that waits for Slurm is cancelled; that may take
    some seconds.

    Raises:
        ControlError: the run has ended, or lives on another machine, or Slurm does not answer.
    """
    process = _live_process(run)
    if process.launcher.startswith("slurm"):
        _stop_in_slurm(run, process)
        return
    _require_this_machine(run, process)
    if process.supervisor and send_signals(process.supervisor, signal.SIGTERM):
        return
    if process.trainer and process.trainer.is_alive():
        try:
            local.start_detached(local.ORPHAN_MODULE, run)
        except (OSError, local.NotStarted) as error:
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
        if request and request.launcher == "slurm":
            submit(run, request)
        else:
            local.start_supervisor(run)
    except (OSError, local.NotStarted, SlurmError) as error:
        raise ControlError(f"cannot resume {_run_name(run)}: {error}") from None


def wait_for_end(run: RunDir) -> Status:
    """Wait until the run has ended; how it did."""
    watch = SlurmPoller()
    while (found := status.status(run)).state.live:
        watch.poll([run])
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


def _require_this_machine(run: RunDir, process: Process) -> None:
    for known in (process.supervisor, process.trainer):
        if known and not known.is_on_this_host:
            raise ControlError(f"{_run_name(run)} runs on {known.host}; stop it there")


def _stop_in_slurm(run: RunDir, process: Process) -> None:
    try:
        slurm_stop.stop_job(run, process)
    except (OSError, SlurmError) as error:
        raise ControlError(f"cannot stop {_run_name(run)}: {error}") from None


def _run_name(run: RunDir) -> str:
    return f"{run.version}/{run.run_id}"
