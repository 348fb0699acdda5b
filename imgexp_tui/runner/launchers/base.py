"""Defines the protocol `Launcher`, which a new launcher, such as one for PBS, implements.

A launcher decides where a run's supervisor starts. Steps to add one called `pbs`:

1. Add its `LauncherSchema` to `notebook/schema/launchers.py`, and to `LAUNCHERS` there. That table is the registry.
2. Add a module or package `pbs` to this folder. It holds `LAUNCHER: Launcher = …`; `find_launcher` imports it by name.
3. If its runs are jobs of a cluster, let each job run `python -m imgexp_tui.runner.supervise RUN_DIR job`, create
   `job_folder(run, "pbs")` when a run is submitted, and let `current_job` return an object that implements `Job`.

Nothing else in the program names a launcher.
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
"""The module that every launcher starts, with the run's folder as its argument."""
JOB_ARGUMENT = "job"
"""The supervisor's second argument if it runs in a job of a cluster."""
STARTED = "started"
"""The supervisor writes this to standard output when its trainer has started."""
QUEUED = "queued"
"""The supervisor writes this instead if its run has to wait."""
SUPERVISOR_LOG = "supervisor.log"
"""The file in a run's folder for the supervisor's own errors; removed at the end if it is empty."""


def job_folder(run: RunDir, launcher: str) -> Path:
    """Returns the subfolder of a run for the files of a launcher with jobs. It exists once the run was submitted."""
    return run.path / launcher


class LauncherError(Exception):
    """A launcher could not do what was asked; the message is one sentence that says why."""


class RunsElsewhereError(LauncherError):
    """The run's processes are on another machine, and it can be stopped only there.

    Attributes:
        host: that machine.
    """

    def __init__(self, host: str) -> None:
        super().__init__(f"it runs on {host}")
        self.host = host


class Launcher(Protocol):
    """Starts, stops and polls runs."""

    @property
    def schema(self) -> LauncherSchema:
        """Its name in notebooks and records; `schema.describe_job` names its jobs to people."""

    def submit(self, run: RunDir, request: Request) -> None:
        """Starts the run's next attempt, or submits it to the queue or cluster that will start it.

        Raises:
            LauncherError: nothing was started.
            OSError: the run's files cannot be written.
        """

    def stop(self, run: RunDir, process: Process) -> None:
        """Asks a live run to stop; returns before it has ended. Calling it twice has the same effect as once.

        Raises:
            LauncherError: the request did not reach it.
            OSError: the request cannot be written down.
        """

    def poll(self, runs: Iterable[RunDir]) -> None:
        """Asks the controller about the live jobs among `runs`, and writes each answer as `JobStatus`.

        This takes as long as the controller does, so call it through `JobPoller`. Without jobs it does nothing.
        """

    def diagnose(self) -> Diagnosis | None:
        """Returns for `doctor` whether the launcher can be used from here; None if there is nothing to check."""

    def current_job(self, run: RunDir, environ: Mapping[str, str]) -> Job:
        """Returns the job that this process runs in.

        Raises:
            LauncherError: it runs in none.
        """


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a launcher can be used, and a sentence that says so."""

    usable: bool
    sentence: str


class Job(Protocol):
    """The cluster's job that a supervisor runs in, as `JobHost` uses it."""

    @property
    def schema(self) -> LauncherSchema:
        """The launcher that submitted it."""

    @property
    def job_id(self) -> str:
        """The controller's id for it."""

    @property
    def gpus(self) -> tuple[int, ...]:
        """The GPUs that the cluster assigned, as CUDA_VISIBLE_DEVICES numbers them."""

    @property
    def eviction_signals(self) -> tuple[signal.Signals, ...]:
        """The signals that the cluster sends to evict the job. SIGINT is reserved for the app, to request a stop."""

    def read_restart_count(self) -> None:
        """Reads and stores how often the job was started before; called at the beginning of an attempt."""

    def stop_requested(self) -> bool:
        """Returns whether the run's folder holds a request to stop, which also reaches a job that starts later."""

    def clear_stop_request(self) -> None:
        """Removes the request after the run has stopped.

        Raises:
            OSError: it cannot be removed.
        """

    def explain_eviction(self, signum: int) -> Eviction:
        """Returns what it means that the job received `signum`, one of `eviction_signals`."""


class EvictionOutcome(Enum):
    """What happens to a job that the cluster evicts. Events store the names in lower case."""

    AGAIN = "the cluster has queued it again"
    ASK = "the cluster has to be asked to queue it again"
    CANCELLED = "somebody cancelled it"
    UNKNOWN = "the cluster does not say"


@dataclass(frozen=True, slots=True)
class Eviction:
    """An eviction: the cluster ends the job.

    Attributes:
        outcome: what happens to the job.
        job: the job's name for people, as `LauncherSchema.describe_job` gives it.
        reason: why, for people.
        requeue: asks the cluster to start the job again later; returns "" if it will, else why not.
        no_progress_detail: how the run ends if this attempt has written nothing that the next one can build on; "" if
            it is started again anyway.
    """

    outcome: EvictionOutcome
    job: str
    reason: str
    requeue: Callable[[], str]
    no_progress_detail: str = ""
