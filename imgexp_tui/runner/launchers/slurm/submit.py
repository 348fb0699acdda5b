"""Hands a run to Slurm, through submitit: a batch job whose only program is our supervisor.

submitit writes the batch script, calls `sbatch` and reads the job's number. Nothing is pickled, and nothing of
submitit runs in the job: its own wrapper would take the signals that our supervisor answers.

`process.json` says before that the next attempt waits for a job; the job's supervisor replaces it. Where this process
dies before it has noted the job's number, the job is found by its name, which is the run's UUID.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imgexp_tui import durable
from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.extras import missing_extra_error
from imgexp_tui.runner.launchers.base import JOB_ARGUMENT, SUPERVISOR_MODULE, job_folder
from imgexp_tui.runner.launchers.slurm import api
from imgexp_tui.runner.run_lock import LockHeld, acquire_lock
from imgexp_tui.text import clean_line

_SBATCH_TIMEOUT = 20
_TIME_LIMIT_MARGIN = 30
"""Seconds between the end of the grace period and the job's time limit, to write down what became of it."""
_RESERVED_OPTIONS = (
    "job-name",
    "output",
    "error",
    "input",
    "open-mode",
    "chdir",
    "signal",
    "array",
    "wrap",
    "requeue",
    "no-requeue",
)
_GPU_OPTIONS = ("gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket", "tres-per-node", "tres-per-task")
_UNSET_VARIABLES = ("IMGEXP_RUN_DIR", "IMGEXP_RUN_UUID", "IMGEXP_GPUS", "CUDA_VISIBLE_DEVICES", "SBATCH_ARRAY_INX")
"""Variables of this process that mean something else in the job."""


def submit(run: RunDir, request: Request) -> str:
    """Let Slurm run the next attempt of `run`; the job's number.

    Raises:
        SlurmError: Slurm has no such job, and the run's files are as before.
        OSError: the run's files cannot be written.
    """
    lab_options = _lab_options(request)
    if missing := missing_extra_error("slurm", "handing runs to Slurm", ("submitit",)):
        raise api.SlurmError(missing)
    api.require_controller()
    with _submission_lock(run):
        job_folder(run, SLURM.name).mkdir(mode=0o700, exist_ok=True)
        before = _write_waiting_process(run, request)
        with contextlib.suppress(FileNotFoundError):
            (run.path / api.STOP_MARK).unlink()
        asked = time.time()
        try:
            number = _run_sbatch(run, request, lab_options)
        except api.SlurmError:
            _restore_process(run, before)
            _cancel_possible_job(request)
            raise
        JobStatus(request.uuid, number, "PENDING", "", asked).write(run, SLURM.name)
    with contextlib.suppress(OSError):
        events.append_event(run, "queued", f"submitted to Slurm as job {number}", job=number)
    return number


def sbatch_options(request: Request) -> dict[str, Any]:
    """sbatch's options for a request, without those that say what is run.

    Raises:
        SlurmError: an option is not for the lab to set, or Slurm does not answer.
    """
    lab_options = _lab_options(request)
    options: dict[str, Any] = {"ntasks": 1, **lab_options}
    asks = request.gpus > 0 and not any(name in lab_options for name in _GPU_OPTIONS)
    # As on a machine of one's own: where there are no GPUs, a run that could use one trains on CPUs.
    if asks and api.has_gpus(str(lab_options.get("partition", ""))):
        options["gres"] = f"gpu:{request.gpus}"
    return options


def _lab_options(request: Request) -> dict[str, Any]:
    table = request.launcher_options.get(SLURM.name, {})
    options = {name.replace("_", "-"): value for name, value in table.items() if value is not False}
    for name in options:
        if name in _RESERVED_OPTIONS:
            raise api.SlurmError(f"[lab.slurm] {name} is set by the app; take it out of experiments.toml")
    return options


@contextlib.contextmanager
def _submission_lock(run: RunDir) -> Iterator[None]:
    """One submission at a time."""
    me = identity_of(os.getpid())
    claim = run.path / ".submit"
    try:
        if me and not acquire_lock(claim, me):  # its holder died over it
            claim.unlink()
            acquire_lock(claim, me)
    except LockHeld:
        raise api.SlurmError("it is being submitted already") from None
    try:
        yield
    finally:
        claim.unlink(missing_ok=True)


def _write_waiting_process(run: RunDir, request: Request) -> bytes | None:
    """Say that the next attempt waits for a job; what `process.json` held before."""
    former, last = Process.read(run), Exit.read(run)
    before = run.process.read_bytes() if former else None
    attempt = max(former.attempt if former else 0, last.attempt if last else 0) + 1
    Process(request.uuid, attempt, None, None, time.time(), SLURM.name, "waits for its Slurm job").write(run)
    return before


def _restore_process(run: RunDir, before: bytes | None) -> None:
    if before is None:
        run.process.unlink(missing_ok=True)
    else:
        durable.replace(run.process, before)


def _cancel_possible_job(request: Request) -> None:
    """Where `sbatch` did not come to an end the controller may have the job: it must not start later."""
    with contextlib.suppress(api.SlurmError):
        api.require_controller(2.0)
        if job := api.list_jobs().get(request.uuid):
            api.cancel(job, request.uuid, also_running=True)


def _run_sbatch(run: RunDir, request: Request, lab_options: Mapping[str, Any]) -> str:
    options = sbatch_options(request)
    from submitit import SlurmExecutor  # late: it takes a tenth of a second
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    name = api.job_name(request.uuid)

    class Executor(SlurmExecutor):  # type: ignore[misc]
        def _make_submission_command(self, submission_file_path: Path) -> list[str]:
            unset = [word for variable in _UNSET_VARIABLES for word in ("-u", variable)]
            # Options on the command line come before what SBATCH_… variables say.
            sbatch = ["sbatch", f"--job-name={name}", "--chdir=/", f"--output={folder}/%j.log", "--open-mode=append"]
            limit = ["timeout", "--kill-after=2", str(_SBATCH_TIMEOUT)]
            return ["env", *unset, *limit, *sbatch, os.fspath(submission_file_path)]

    folder = job_folder(run, SLURM.name)
    executor = Executor(folder=folder)
    executor.update_parameters(
        job_name=name,
        comment=clean_line(f"{run.version}/{run.run_id}"),
        time=None,  # the partition's own, unless the lab says otherwise
        wckey=None,
        stderr_to_stdout=True,
        use_srun=False,
        additional_parameters={
            **options,
            "requeue": True,
            "signal": f"B:USR2@{math.ceil(request.grace) + _TIME_LIMIT_MARGIN}",
        },
    )
    # `exec`: the batch shell becomes the supervisor, so that the signals that Slurm sends to the one reach the other.
    # Until the supervisor listens, a signal must not end it; the mark that asks to stop is found then.
    words = [sys.executable, "-P", "-m", SUPERVISOR_MODULE, os.fspath(run.path.absolute()), JOB_ARGUMENT]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints complaints: the app may have the terminal
            return str(executor._submit_command(f"trap '' INT USR2; exec {shlex.join(words)}").job_id)
    except (FailedJobError, FailedSubmissionError) as error:
        said = str(error)
        if not said.strip():
            raise api.SlurmUnavailable(f"Slurm did not take the job within {_SBATCH_TIMEOUT} s") from None
        if api.is_unreachable(said):
            raise api.SlurmUnavailable(f"Slurm does not answer: {api.first_error(said)}") from None
        raise api.SlurmError(f"Slurm refuses the job: {api.first_error(said)}") from None
