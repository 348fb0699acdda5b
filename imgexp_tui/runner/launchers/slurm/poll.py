"""Keeps what Slurm's controller says of live runs in their folders, for whoever reads their states.

Looking is cheap and never waits for the controller: a thread asks it, at most every `POLL_INTERVAL` seconds, and only
    where a
live run is Slurm's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.slurm_status import SlurmStatus
from imgexp_tui.records.status import status
from imgexp_tui.runner.launchers.slurm import api

POLL_INTERVAL = 5.0
"""Seconds between two questions to the controller."""
ANSWER_TIMEOUT = 3.0
"""Seconds that a command may wait for the answer before it prints what it knows."""


class SlurmPoller:
    """Asks Slurm about the runs that it carries. One for each place that looks again and again."""

    def __init__(self) -> None:
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def poll(self, runs: Iterable[RunDir], timeout: float = 0.0) -> None:
        """Have Slurm asked about those of `runs` that are live and its own, if it is time again.

        Args:
            timeout: seconds to wait for the answer.
        """
        if self._thread is None or not self._thread.is_alive():
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + POLL_INTERVAL
            ours = [run for run in runs if (run.path / api.SLURM_FOLDER).is_dir()]
            if not ours:
                return
            self._thread = threading.Thread(target=update_statuses, args=(ours,), name="slurm", daemon=True)
            self._thread.start()
        if timeout:
            self._thread.join(timeout)


def update_statuses(runs: Iterable[RunDir]) -> None:
    """Ask Slurm about those of `runs` that are live and its own, and note what it says; it may take its time."""
    live = [(run, process) for run in runs if (process := _live_slurm_process(run))]
    if not live or not api.is_installed():
        return  # a machine without Slurm does not spoil what others have noted
    asked = time.time()
    try:
        jobs = api.list_jobs()
    except api.SlurmError:
        for run, process in live:
            before = SlurmStatus.read(run, process.uuid) or SlurmStatus(process.uuid)
            if not before.silent:
                replace(before, silent=asked).write(run)
        return
    for run, process in live:
        _write_status(run, process, jobs.get(process.uuid), asked)


def _live_slurm_process(run: RunDir) -> Process | None:
    found = status(run)
    ours = found.state.live and found.process is not None and found.process.launcher.startswith("slurm")
    return found.process if ours else None


def _write_status(run: RunDir, process: Process, job: api.JobInfo | None, asked_at: float) -> None:
    before = SlurmStatus.read(run, process.uuid)
    # An answer about an earlier attempt says nothing of this one.
    current = before if before and before.asked >= process.started else None
    if job is None and current and current.is_gone:
        now = replace(current, silent=0.0)  # the controller forgets a job that has ended; how it did stays
    elif job is None:
        now = SlurmStatus(process.uuid, process.launcher.removeprefix("slurm").strip(), asked=asked_at)
    else:
        now = SlurmStatus(process.uuid, job.job_id, job.state, job.reason, asked_at)
    if current and replace(current, asked=asked_at, silent=0.0) == now:
        now = replace(now, asked=current.asked)
    if now != before:
        now.write(run)
