"""Slurm as a launcher: the methods of the protocol, each of which calls the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.base import Diagnosis, Job
from imgexp_tui.runner.launchers.slurm import api
from imgexp_tui.runner.launchers.slurm.job import SlurmJob
from imgexp_tui.runner.launchers.slurm.poll import update_statuses
from imgexp_tui.runner.launchers.slurm.stop import stop_job
from imgexp_tui.runner.launchers.slurm.submit import submit


class SlurmLauncher:
    """Runs are batch jobs of Slurm, each with our supervisor as its only program."""

    schema = SLURM

    def submit(self, run: RunDir, request: Request) -> None:
        """Lets Slurm run the next attempt as soon as it has room for it."""
        submit(run, request)

    def stop(self, run: RunDir, process: Process) -> None:
        """Cancels a job that waits, which may take some seconds, or signals the supervisor of one that runs."""
        stop_job(run, process)

    def poll(self, runs: Iterable[RunDir]) -> None:
        """Asks the controller about live runs, and writes its answers."""
        update_statuses(runs)

    def diagnose(self) -> Diagnosis:
        """Returns whether Slurm's commands are installed and its controller answers."""
        return Diagnosis(*api.diagnose())

    def current_job(self, run: RunDir, environ: Mapping[str, str]) -> Job:
        """Returns the job whose only program this process is."""
        return SlurmJob(run, environ)
