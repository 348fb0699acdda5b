"""Asks Slurm's controller about the live runs that it carries, and writes each answer into the run's folder."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.records.documents import Process
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import status
from imgexp_tui.runner.launchers.slurm import api


def update_statuses(runs: Iterable[RunDir]) -> None:
    """Asks Slurm about those of `runs` that are live and its own, and writes its answers; may take seconds."""
    live = [(run, process) for run in runs if (process := _live_slurm_process(run))]
    if not live or not api.is_installed():
        return  # a machine without Slurm must not overwrite what others have written
    asked = time.time()
    try:
        jobs = api.list_jobs()
    except api.SlurmError:
        for run, process in live:
            before = JobStatus.read(run, SLURM.name, process.uuid) or JobStatus(process.uuid)
            if not before.silent:
                replace(before, silent=asked).write(run, SLURM.name)
        return
    for run, process in live:
        _write_status(run, process, jobs.get(process.uuid), asked)


def _live_slurm_process(run: RunDir) -> Process | None:
    found = status(run)
    ours = found.state.live and found.process is not None and found.process.launcher_name == SLURM.name
    return found.process if ours else None


def _write_status(run: RunDir, process: Process, job: api.JobInfo | None, asked_at: float) -> None:
    before = JobStatus.read(run, SLURM.name, process.uuid)
    # An answer about an earlier attempt says nothing about this one.
    current = before if before and before.asked >= process.started else None
    if job is None and current and current.is_gone(SLURM.ended_states):
        now = replace(current, silent=0.0)  # the controller forgets a job that has ended; its last state stays
    elif job is None:
        now = JobStatus(process.uuid, process.job_id, asked=asked_at)
    else:
        now = JobStatus(process.uuid, job.job_id, job.state, job.reason, asked_at)
    if current and replace(current, asked=asked_at, silent=0.0) == now:
        now = replace(now, asked=current.asked)
    if now != before:
        now.write(run, SLURM.name)
