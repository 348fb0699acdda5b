"""Stops a run that Slurm carries, from any machine that sees the run's folder, above all the login node."""

from __future__ import annotations

import contextlib
import signal
import time

from imgexp_tui import durable
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.slurm import api
from imgexp_tui.runner.signals import send_signals
from imgexp_tui.runner.supervisor.outcome import CANCELLED

_SETTLE_TIMEOUT = 20.0
"""Seconds for a job to leave Slurm's queue, or to come back into it."""
_POLL_INTERVAL = 0.3


def stop_job(run: RunDir, process: Process) -> None:
    """Asks a run to stop: cancels a job that waits, signals the supervisor of one that runs.

    Never a bare `scancel` of a running job: Slurm would kill it after its own KillWait, whatever the grace period.

    Raises:
        SlurmError: it was not done; where Slurm does not answer about a job that waits, the request stays.
        OSError: the request cannot be written down.
    """
    mark = run.path / api.STOP_MARK
    durable.replace(mark, process.uuid.encode())
    if process.supervisor and send_signals(process.supervisor, signal.SIGINT):
        return
    try:
        job = _wait_for_settled_job(run, process)
        if job and job.is_waiting:
            api.cancel(job, process.uuid)
            job = _wait_for_settled_job(run, process, cancelled=True)
    except api.SlurmUnavailable as error:
        if process.trainer:
            return  # its supervisor polls the mark
        raise api.SlurmUnavailable(f"{error}; the request stands: the run ends when its job hears of it") from None
    if _was_taken_over(run, process):
        return
    if job and job.is_waiting:
        raise api.SlurmError(f"Slurm job {job.job_id} is {job.state.lower()} still; the request stands")
    if job and not job.has_ended:
        api.send_to_job(job, process.uuid, signal.SIGINT)
    elif job and job.state == "CANCELLED":
        _write_end(run, process)
    else:
        mark.unlink(missing_ok=True)
        raise api.SlurmError(f"Slurm {f'calls job {job.job_id} {job.state.lower()}' if job else 'knows no such job'}")


def _wait_for_settled_job(run: RunDir, process: Process, *, cancelled: bool = False) -> api.JobInfo | None:
    """Waits while the run's job is completing and, after it was `cancelled`, while it still waits.

    Returns the job, None where Slurm knows none.
    Returns early where another supervisor has taken over, and after `_SETTLE_TIMEOUT` seconds.
    """
    deadline = time.monotonic() + _SETTLE_TIMEOUT
    while True:
        job = api.list_jobs().get(process.uuid)
        is_settling = job is not None and (job.state == "COMPLETING" or (cancelled and job.is_waiting))
        if not is_settling or time.monotonic() > deadline or _was_taken_over(run, process):
            return job
        time.sleep(_POLL_INTERVAL)


def _was_taken_over(run: RunDir, process: Process) -> bool:
    """Whether a supervisor has written since `process` was read: it handles the mark itself."""
    now, end = Process.read(run), Exit.read(run)
    return now != process or (end is not None and end.attempt >= process.attempt)


def _write_end(run: RunDir, process: Process) -> None:
    """Writes the end of a run that has no process: the event first, `exit.json` last, as the supervisor does."""
    was_started = process.supervisor is not None
    detail = "as asked, while its job waited to start again" if was_started else CANCELLED.detail
    with contextlib.suppress(OSError):
        events.append_event(run, "ended", f"stopped: {detail}", cause="stopped")
    Exit(process.uuid, process.attempt, None, None, "stopped", detail, time.time()).write(run)
    with contextlib.suppress(OSError):
        (run.path / api.STOP_MARK).unlink(missing_ok=True)
