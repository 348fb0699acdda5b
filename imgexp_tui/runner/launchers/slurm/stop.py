"""Stopping a run that Slurm carries, from any machine that sees its folder: the login node above all."""

from __future__ import annotations

import contextlib
import signal
import time

from imgexp_tui import durable
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.slurm import api
from imgexp_tui.runner.signals import send
from imgexp_tui.runner.supervisor.outcome import CANCELLED

_PATIENCE = 20.0
"""Seconds for a job to leave Slurm's queue, or to come back into it."""
_PACE = 0.3


def stop(run: RunDir, process: Process) -> None:
    """Ask a run to stop: a job that waits is cancelled, the supervisor of one that runs is told.

    Never a bare `scancel` of a running job: Slurm would kill it after its own KillWait, whatever the run's grace.

    Raises:
        SlurmError: it was not done; where Slurm does not answer about a job that waits, the request stands.
        OSError: the request cannot be written down.
    """
    mark = run.path / api.STOP_MARK
    durable.replace(mark, process.uuid.encode())
    if process.supervisor and send(process.supervisor, signal.SIGINT):
        return
    try:
        job = _settled(run, process)
        if job and job.waits:
            api.cancel(job, process.uuid)
            job = _settled(run, process, cancelled=True)
    except api.Silent as error:
        if process.trainer:
            return  # its supervisor looks for the mark by itself
        raise api.Silent(f"{error}; the request stands: the run ends when its job hears of it") from None
    if _under_other_hands(run, process):
        return
    if job and job.waits:
        raise api.SlurmError(f"Slurm job {job.number} is {job.state.lower()} still; the request stands")
    if job and not job.ended:
        api.send(job, process.uuid, signal.SIGINT)
    elif job and job.state == "CANCELLED":
        _write_end(run, process)
    else:
        mark.unlink(missing_ok=True)
        raise api.SlurmError(f"Slurm {f'calls job {job.number} {job.state.lower()}' if job else 'knows no such job'}")


def _settled(run: RunDir, process: Process, *, cancelled: bool = False) -> api.Job | None:
    """The run's job once Slurm has made up its mind: not while it ends, nor, when it was cancelled, while it waits."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        job = api.jobs().get(process.uuid)
        passing = job is not None and (job.state == "COMPLETING" or (cancelled and job.waits))
        if not passing or time.monotonic() > deadline or _under_other_hands(run, process):
            return job
        time.sleep(_PACE)


def _under_other_hands(run: RunDir, process: Process) -> bool:
    """Whether a supervisor has written since: it minds the mark itself."""
    now, end = Process.read(run), Exit.read(run)
    return now != process or (end is not None and end.attempt >= process.attempt)


def _write_end(run: RunDir, process: Process) -> None:
    """No process is there to do it. The event first, `exit.json` last, as the supervisor does."""
    again = process.supervisor is not None
    detail = "as asked, while its job waited to start again" if again else CANCELLED.detail
    with contextlib.suppress(OSError):
        events.log(run, "ended", f"stopped: {detail}", cause="stopped")
    Exit(process.uuid, process.attempt, None, None, "stopped", detail, time.time()).write(run)
    with contextlib.suppress(OSError):
        (run.path / api.STOP_MARK).unlink(missing_ok=True)
