"""Stopping, resuming and awaiting runs, from any process of this machine; those of Slurm from any that sees them."""

from __future__ import annotations

import signal
import time

from imgexp_tui.records import status
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.runner.launchers import local
from imgexp_tui.runner.launchers.slurm import stop as slurm_stop
from imgexp_tui.runner.launchers.slurm.api import SlurmError
from imgexp_tui.runner.launchers.slurm.poll import SlurmWatch
from imgexp_tui.runner.launchers.slurm.submit import submit
from imgexp_tui.runner.signals import send

_PACE = 0.1
_START_PATIENCE = 10.0


class ControlError(Exception):
    """One sentence that says why it was not done."""


def stop(run: RunDir) -> None:
    """Ask a run to stop; `wait` says when it has. Asking twice is the same as once.

    Its trainer gets SIGTERM and the request's grace period, then everything that is left of the run SIGKILL. Where
    the supervisor is gone, a process of its own does the same. A job that waits for Slurm is cancelled; that may take
    some seconds.

    Raises:
        ControlError: the run has ended, or lives on another machine, or Slurm does not answer.
    """
    process = _started(run)
    if process.launcher.startswith("slurm"):
        _stop_in_slurm(run, process)
        return
    _require_this_machine(run, process)
    if process.supervisor and send(process.supervisor, signal.SIGTERM):
        return
    if process.trainer and process.trainer.alive():
        try:
            local.start(local.ORPHAN, run)
        except (OSError, local.NotStarted) as error:
            raise ControlError(f"cannot stop {_name(run)}: {error}") from None


def resume(run: RunDir) -> None:
    """Start a run that has ended once more, as its next attempt: the trainer goes on from its last checkpoint.

    Raises:
        ControlError: it is under way, has finished, or cannot be started.
    """
    found = status.status(run)
    if found.state.live:
        raise ControlError(f"{_name(run)} is {found.state}; only a run that has ended can be resumed")
    if found.state is State.FINISHED:
        raise ControlError(f"{_name(run)} has finished; there is nothing to resume")
    request = Request.read(run)
    try:
        if request and request.launcher == "slurm":
            submit(run, request)
        else:
            local.supervise(run)
    except (OSError, local.NotStarted, SlurmError) as error:
        raise ControlError(f"cannot resume {_name(run)}: {error}") from None


def wait(run: RunDir) -> Status:
    """Wait until the run has ended; how it did."""
    watch = SlurmWatch()
    while (found := status.status(run)).state.live:
        watch.look([run])
        time.sleep(_PACE)
    return found


def _started(run: RunDir) -> Process:
    """The processes of a live run; one that is being launched right now is waited for."""
    deadline = time.monotonic() + _START_PATIENCE
    while True:
        found = status.status(run)
        if not found.state.live:
            raise ControlError(f"{_name(run)} has ended: {found.state}, {found.evidence}")
        if found.process:
            return found.process
        if time.monotonic() > deadline:
            raise ControlError(f"{_name(run)} is still being started; try again in a moment")
        time.sleep(_PACE)


def _require_this_machine(run: RunDir, process: Process) -> None:
    for known in (process.supervisor, process.trainer):
        if known and not known.here:
            raise ControlError(f"{_name(run)} runs on {known.host}; stop it there")


def _stop_in_slurm(run: RunDir, process: Process) -> None:
    try:
        slurm_stop.stop(run, process)
    except (OSError, SlurmError) as error:
        raise ControlError(f"cannot stop {_name(run)}: {error}") from None


def _name(run: RunDir) -> str:
    return f"{run.version}/{run.run}"
