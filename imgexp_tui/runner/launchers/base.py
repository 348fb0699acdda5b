"""The protocol of a launcher: what a new one, such as for PBS, has to implement.

A launcher decides where a run's supervisor is started. To add one, add its `LauncherSchema` to
`notebook/schema/launchers.py`, and a module or package of the same name in this folder that holds
`LAUNCHER: Launcher = …`. Where it starts runs as jobs of a cluster, its jobs run
`python -m imgexp_tui.runner.supervise RUN_DIR job`, and it implements `Job` too. Nothing else in the program names it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from imgexp_tui.notebook.schema.launchers import LauncherSchema
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.rundir import RunDir

SUPERVISOR_MODULE = "imgexp_tui.runner.supervise"
"""The program that every launcher starts, with the run's folder as its argument."""
JOB_ARGUMENT = "job"
"""The supervisor's second argument, where it is a job of a cluster."""
STARTED = "started"
"""What a supervisor writes to standard output when its trainer is at work."""
QUEUED = "queued"
"""What it writes instead when its run has to wait."""
SUPERVISOR_LOG = "supervisor.log"
"""In a run's folder: the supervisor's own errors; removed at the end where there are none."""


def job_folder(run: RunDir, launcher: str) -> Path:
    """The folder of a run that a launcher with jobs keeps its files in. It is there once the run was submitted."""
    return run.path / launcher


class LauncherError(Exception):
    """One sentence that says why it was not done."""


class RunsElsewhereError(LauncherError):
    """The run's processes are on another machine, which has to be used to stop it.

    Attributes:
        host: that machine.
    """

    def __init__(self, host: str) -> None:
        super().__init__(f"it runs on {host}")
        self.host = host


class Launcher(Protocol):
    """Starts runs, stops them, and knows where those are that it started."""

    @property
    def schema(self) -> LauncherSchema:
        """Its name in notebooks and records; `schema.describe_job` names its jobs to people."""

    def submit(self, run: RunDir, request: Request) -> None:
        """Start the run's next attempt, or hand it to whoever will start it.

        Raises:
            LauncherError: nothing was started.
            OSError: the run's files cannot be written.
        """

    def stop(self, run: RunDir, process: Process) -> None:
        """Ask a live run to stop; returns before it has ended. Asking twice is the same as once.

        Raises:
            LauncherError: it was not asked.
            OSError: the request cannot be written down.
        """

    def poll(self, runs: Iterable[RunDir]) -> None:
        """Ask the controller about those of `runs` that are live jobs, and write each answer as `JobStatus`.

        May take as long as the controller does: call it through `JobPoller`. Does nothing for a launcher without jobs.
        """

    def diagnose(self) -> Diagnosis | None:
        """Whether the launcher can be used from here, for `doctor`; None where there is nothing to check."""

    def current_job(self, run: RunDir, environ: Mapping[str, str]) -> Job:
        """The job that this process is.

        Raises:
            LauncherError: it is none.
        """


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a launcher can be used, and a sentence that says so."""

    usable: bool
    sentence: str


class Job(Protocol):
    """The job of a cluster that a supervisor is, as `JobHost` uses it."""

    @property
    def schema(self) -> LauncherSchema:
        """The launcher that submitted it."""

    @property
    def job_id(self) -> str:
        """The controller's id for it."""

    @property
    def gpus(self) -> tuple[int, ...]:
        """The GPUs that the cluster gave, as CUDA_VISIBLE_DEVICES numbers them."""

    @property
    def eviction_signals(self) -> tuple[signal.Signals, ...]:
        """The signals with which the cluster takes the job back. SIGINT stays the app's own, to ask for a stop."""

    def read_restart_count(self) -> None:
        """Note how often the job was started before, at the beginning of this attempt."""

    def stop_requested(self) -> bool:
        """Whether the run's folder holds a request to stop, which also reaches a job that starts later."""

    def clear_stop_request(self) -> None:
        """Remove the request: it was answered.

        Raises:
            OSError: it cannot be removed.
        """

    def explain_eviction(self, signum: int) -> Eviction:
        """Say what it means that the job got one of `eviction_signals`."""


class EvictionOutcome(Enum):
    """What becomes of a job that the cluster takes back. The names stand in events."""

    AGAIN = "the cluster has queued it again"
    ASK = "the cluster has to be asked to queue it again"
    CANCELLED = "somebody cancelled it"
    UNKNOWN = "the cluster does not say"


@dataclass(frozen=True, slots=True)
class Eviction:
    """That the cluster takes the job back.

    Attributes:
        outcome: what becomes of the job.
        job: the job's name for people, as `LauncherSchema.describe_job` gives it.
        reason: why, for people.
        requeue: asks the cluster to start the job again later; returns "" where it will, else why not.
        no_progress_detail: how the run ends where this attempt has written nothing that the next one can build on; ""
            where it is started again all the same.
    """

    outcome: EvictionOutcome
    job: str
    reason: str
    requeue: Callable[[], str]
    no_progress_detail: str = ""
