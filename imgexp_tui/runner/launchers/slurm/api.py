"""Calls Slurm's commands, each with a time-out: lists, cancels, signals and requeues jobs.

A job is named after the run's UUID, and only a job of that name is ever touched: a controller that crashes can hand a
number out twice. Nothing here waits longer than `COMMAND_TIMEOUT`, and nothing here is called from an event loop.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.runner.launchers.base import LauncherError
from imgexp_tui.text import clean_line

COMMAND_TIMEOUT = 15.0
"""Seconds for one command; without a controller Slurm's own give up after nine."""
STOP_MARK = ".stop-asked"
"""In a run's folder: somebody asked it to stop. Durable, because its job may start long after."""
_JOB_NAME_PREFIX = "imgexp-"
_SLURM_VARIABLE = re.compile(r"(SQUEUE|SCANCEL|SINFO|SCONTROL|SBATCH)_")


class SlurmError(LauncherError):
    """One sentence that says why it was not done."""


class SlurmUnavailable(SlurmError):
    """The controller does not answer, or there is no Slurm here."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as `squeue` shows it.

    Attributes:
        job_id: its id.
        state: long name, such as "PENDING".
        reason: why it waits, in Slurm's word.
    """

    job_id: str
    state: str
    reason: str

    @property
    def is_waiting(self) -> bool:
        return self.state in SLURM.waiting_states

    @property
    def has_ended(self) -> bool:
        return self.state in SLURM.ended_states


def job_name(uuid: str) -> str:
    """The name of the job that carries the run of this UUID."""
    return _JOB_NAME_PREFIX + uuid


def is_installed() -> bool:
    """Whether this machine has Slurm's commands."""
    return shutil.which("squeue") is not None


def list_jobs() -> dict[str, JobInfo]:
    """UUID → job, of all this user's jobs of ours that the controller still knows. Of several the one that counts:
    it waits or runs, or it is the latest.

    Raises:
        SlurmUnavailable: the controller does not answer.
    """
    require_controller()  # where there is none, squeue takes nine seconds to say so
    jobs: dict[str, JobInfo] = {}
    output = _run_command("squeue", "--me", "--noheader", "--states=all", "--format=%j|%i|%T|%r")
    for line in output.splitlines():
        name, _, rest = line.strip().partition("|")
        number, _, rest = rest.partition("|")
        state, _, reason = rest.partition("|")
        if name.startswith(_JOB_NAME_PREFIX) and number.isdecimal():
            uuid, job = name.removeprefix(_JOB_NAME_PREFIX), JobInfo(number, state, reason)
            jobs[uuid] = max(job, jobs.get(uuid, job), key=lambda j: (not j.has_ended, int(j.job_id)))
    return jobs


def cancel(job: JobInfo, uuid: str, *, also_running: bool = False) -> None:
    """Take a job out of Slurm's hands; one that has started meanwhile only where that is meant.

    Raises:
        SlurmError: it was not done.
    """
    _run_command("scancel", f"--name={job_name(uuid)}", *([] if also_running else ["--state=PENDING"]), job.job_id)


def send_to_job(job: JobInfo, uuid: str, signum: signal.Signals) -> None:
    """Send a signal to the supervisor in a running job, and to no other process of it.

    Raises:
        SlurmError: it was not done.
    """
    name = signum.name.removeprefix("SIG")
    _run_command("scancel", f"--name={job_name(uuid)}", "--batch", f"--signal={name}", job.job_id)


def requeue(job_id: str) -> None:
    """Let Slurm end a job and start it again later.

    Raises:
        SlurmError: it was not done.
    """
    _run_command("scontrol", "requeue", job_id)


def read_job_fields(job_id: str) -> dict[str, str]:
    """What `scontrol show job` says of a job, key by key.

    Raises:
        SlurmError: nothing is known of it.
    """
    words = _run_command("scontrol", "--oneliner", "show", "job", job_id).split()
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


def has_gpus(partition: str = "") -> bool:
    """Whether any node (of a partition) has GPUs to ask for.

    Raises:
        SlurmError: nothing is known.
    """
    where = [f"--partition={partition}"] if partition else []
    return any(
        word.startswith("gpu")
        for word in re.split(r"[\s,]+", _run_command("sinfo", "--noheader", "--format=%G", *where))
    )


def require_controller(timeout: float = COMMAND_TIMEOUT) -> None:
    """Raises SlurmUnavailable if no controller is up; quick also in that case."""
    # It fails where any controller is down, and one is enough.
    if not re.search(r"\bis UP\b", _run_command("scontrol", "ping", timeout=timeout, check=False)):
        raise SlurmUnavailable("Slurm's controller is down")


def diagnose() -> tuple[bool, str]:
    """For `doctor`: whether Slurm can be used from here, and a sentence that says so."""
    if not is_installed():
        return False, 'not found; launcher = "slurm" cannot be used on this machine'
    try:
        version = _run_command("sinfo", "--version", timeout=5.0).strip()
        require_controller(5.0)
    except SlurmError as error:
        return False, f"installed, but {_lower_first(str(error))}"
    return True, f"{version}, its controller answers"


def command_environment() -> dict[str, str]:
    """This process's, without what would change what Slurm's commands do or how they say it."""
    return {k: v for k, v in os.environ.items() if not _SLURM_VARIABLE.match(k)} | {"LC_ALL": "C"}


def first_error(output: str) -> str:
    """The first complaint of one of Slurm's commands, without the command's name."""
    lines = [clean_line(line) for line in output.splitlines() if line.strip()]
    line = next((line for line in lines if "error: " in line), lines[0] if lines else "it gave no reason")
    return re.sub(r"^\w+: (error: )?", "", line)


def is_unreachable(output: str) -> bool:
    """Whether a complaint of one of Slurm's commands means that no controller was reached."""
    return (
        re.search(r"contact slurm controller|onnect|onfiguration source|timed out|authentication", output) is not None
    )


def _run_command(*command: str, timeout: float = COMMAND_TIMEOUT, check: bool = True) -> str:
    """What a command says; also where it fails, unless that is to be heeded."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            env=command_environment(),
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise SlurmUnavailable(f"Slurm's controller does not answer within {timeout:g} s") from None
    except OSError as error:
        raise SlurmUnavailable(f"{command[0]} cannot be run: {error.strerror}") from None
    out, complaint = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if done.returncode and check:
        if is_unreachable(complaint) or not complaint.strip():
            raise SlurmUnavailable(f"Slurm does not answer: {first_error(complaint)}")
        raise SlurmError(f"{command[0]}: {first_error(complaint)}")
    return out


def _lower_first(text: str) -> str:
    return text if text.startswith("Slurm") else text[:1].lower() + text[1:]
