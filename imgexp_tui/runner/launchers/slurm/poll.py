"""Keeps what Slurm's controller says of live runs in their folders, for whoever reads their states.

Looking is cheap and never waits for the controller: a thread asks it, at most every `PACE` seconds, and only where a
live run is Slurm's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.slurm_status import Told
from imgexp_tui.records.status import status
from imgexp_tui.runner.launchers.slurm import api

PACE = 5.0
"""Seconds between two questions to the controller."""
SHORT = 3.0
"""Seconds that a command may wait for the answer before it prints what it knows."""


class SlurmWatch:
    """Asks Slurm about the runs that it carries. One for each place that looks again and again."""

    def __init__(self) -> None:
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def look(self, runs: Iterable[RunDir], patience: float = 0.0) -> None:
        """Have Slurm asked about those of `runs` that are live and its own, if it is time again.

        Args:
            patience: seconds to wait for the answer.
        """
        if self._thread is None or not self._thread.is_alive():
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + PACE
            ours = [run for run in runs if (run.path / api.FOLDER).is_dir()]
            if not ours:
                return
            self._thread = threading.Thread(target=ask, args=(ours,), name="slurm", daemon=True)
            self._thread.start()
        if patience:
            self._thread.join(patience)


def ask(runs: Iterable[RunDir]) -> None:
    """Ask Slurm about those of `runs` that are live and its own, and note what it says; it may take its time."""
    live = [(run, process) for run in runs if (process := _carried(run))]
    if not live or not api.installed():
        return  # a machine without Slurm does not spoil what others have noted
    asked = time.time()
    try:
        jobs = api.jobs()
    except api.SlurmError:
        for run, process in live:
            before = Told.read(run, process.uuid) or Told(process.uuid)
            if not before.silent:
                replace(before, silent=asked).write(run)
        return
    for run, process in live:
        _note(run, process, jobs.get(process.uuid), asked)


def _carried(run: RunDir) -> Process | None:
    found = status(run)
    ours = found.state.live and found.process is not None and found.process.launcher.startswith("slurm")
    return found.process if ours else None


def _note(run: RunDir, process: Process, job: api.Job | None, asked: float) -> None:
    before = Told.read(run, process.uuid)
    # An answer about an earlier attempt says nothing of this one.
    current = before if before and before.asked >= process.started else None
    if job is None and current and current.gone:
        now = replace(current, silent=0.0)  # the controller forgets a job that has ended; how it did stays
    elif job is None:
        now = Told(process.uuid, process.launcher.removeprefix("slurm").strip(), asked=asked)
    else:
        now = Told(process.uuid, job.number, job.state, job.reason, asked)
    if current and replace(current, asked=asked, silent=0.0) == now:
        now = replace(now, asked=current.asked)
    if now != before:
        now.write(run)
