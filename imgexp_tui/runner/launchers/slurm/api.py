"""What Slurm's controller is asked and told: its own commands, each with a time-out.

A job is named after the run's UUID, and only a job of that name is ever touched: a controller that crashes can hand a
number out twice. Nothing here waits longer than `PATIENCE`, and nothing here is called from an event loop.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

from imgexp_tui.records.slurm_status import ENDED, WAITING
from imgexp_tui.text import clean_line

PATIENCE = 15.0
"""Seconds for one command; without a controller Slurm's own give up after nine."""
FOLDER = "slurm"
"""In a run's folder: the batch script, and what the job itself printed."""
STOP_MARK = ".stop-asked"
"""In a run's folder: somebody asked it to stop. Durable, because its job may start long after."""
_NAME = "imgexp-"
_OWN = re.compile(r"(SQUEUE|SCANCEL|SINFO|SCONTROL|SBATCH)_")


class SlurmError(Exception):
    """One sentence that says why it was not done."""


class Silent(SlurmError):
    """The controller does not answer, or there is no Slurm here."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as `squeue` shows it.

    Attributes:
        number: its id.
        state: long name, such as "PENDING".
        reason: why it waits, in Slurm's word.
    """

    number: str
    state: str
    reason: str

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def job_name(uuid: str) -> str:
    """The name of the job that carries the run of this UUID."""
    return _NAME + uuid


def installed() -> bool:
    """Whether this machine has Slurm's commands."""
    return shutil.which("squeue") is not None


def jobs() -> dict[str, Job]:
    """UUID → job, of all this user's jobs of ours that the controller still knows. Of several the one that counts:
    it waits or runs, or it is the latest.

    Raises:
        Silent: nothing is known.
    """
    require_controller()  # where there is none, squeue takes nine seconds to say so
    found: dict[str, Job] = {}
    said = _ask("squeue", "--me", "--noheader", "--states=all", "--format=%j|%i|%T|%r")
    for line in said.splitlines():
        name, _, rest = line.strip().partition("|")
        number, _, rest = rest.partition("|")
        state, _, reason = rest.partition("|")
        if name.startswith(_NAME) and number.isdecimal():
            uuid, job = name.removeprefix(_NAME), Job(number, state, reason)
            found[uuid] = max(job, found.get(uuid, job), key=lambda j: (not j.ended, int(j.number)))
    return found


def cancel(job: Job, uuid: str, *, also_running: bool = False) -> None:
    """Take a job out of Slurm's hands; one that has started meanwhile only where that is meant.

    Raises:
        SlurmError: it was not done.
    """
    _ask("scancel", f"--name={job_name(uuid)}", *([] if also_running else ["--state=PENDING"]), job.number)


def send(job: Job, uuid: str, signum: signal.Signals) -> None:
    """Send a signal to the supervisor in a running job, and to no other process of it.

    Raises:
        SlurmError: it was not done.
    """
    name = signum.name.removeprefix("SIG")
    _ask("scancel", f"--name={job_name(uuid)}", "--batch", f"--signal={name}", job.number)


def requeue(number: str) -> None:
    """Let Slurm end a job and start it again later.

    Raises:
        SlurmError: it was not done.
    """
    _ask("scontrol", "requeue", number)


def facts(number: str) -> dict[str, str]:
    """What `scontrol show job` says of a job, key by key.

    Raises:
        SlurmError: nothing is known of it.
    """
    words = _ask("scontrol", "--oneliner", "show", "job", number).split()
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


def has_gpus(partition: str = "") -> bool:
    """Whether any node (of a partition) has GPUs to ask for.

    Raises:
        SlurmError: nothing is known.
    """
    where = [f"--partition={partition}"] if partition else []
    return any(
        word.startswith("gpu") for word in re.split(r"[\s,]+", _ask("sinfo", "--noheader", "--format=%G", *where))
    )


def require_controller(patience: float = PATIENCE) -> None:
    """Raises Silent where no controller is up; quick also where none is."""
    # It fails where any controller is down, and one is enough.
    if not re.search(r"\bis UP\b", _ask("scontrol", "ping", patience=patience, heed=False)):
        raise Silent("Slurm's controller is down")


def finding() -> tuple[bool, str]:
    """For `doctor`: whether Slurm can be used from here, and a sentence that says so."""
    if not installed():
        return False, 'not found; launcher = "slurm" cannot be used on this machine'
    try:
        version = _ask("sinfo", "--version", patience=5.0).strip()
        require_controller(5.0)
    except SlurmError as error:
        return False, f"installed, but {_lower(str(error))}"
    return True, f"{version}, its controller answers"


def environment() -> dict[str, str]:
    """This process's, without what would change what Slurm's commands do or how they say it."""
    return {k: v for k, v in os.environ.items() if not _OWN.match(k)} | {"LC_ALL": "C"}


def sentence(said: str) -> str:
    """The first complaint of one of Slurm's commands, without the command's name."""
    lines = [clean_line(line) for line in said.splitlines() if line.strip()]
    line = next((line for line in lines if "error: " in line), lines[0] if lines else "it gave no reason")
    return re.sub(r"^\w+: (error: )?", "", line)


def is_silence(said: str) -> bool:
    """Whether a complaint of one of Slurm's commands means that no controller was reached."""
    return re.search(r"contact slurm controller|onnect|onfiguration source|timed out|authentication", said) is not None


def _ask(*words: str, patience: float = PATIENCE, heed: bool = True) -> str:
    """What a command says; also where it fails, unless that is to be heeded."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience,
            check=False,
            env=environment(),
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise Silent(f"Slurm's controller does not answer within {patience:g} s") from None
    except OSError as error:
        raise Silent(f"{words[0]} cannot be run: {error.strerror}") from None
    out, complaint = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if done.returncode and heed:
        if is_silence(complaint) or not complaint.strip():
            raise Silent(f"Slurm does not answer: {sentence(complaint)}")
        raise SlurmError(f"{words[0]}: {sentence(complaint)}")
    return out


def _lower(text: str) -> str:
    return text if text.startswith("Slurm") else text[:1].lower() + text[1:]
