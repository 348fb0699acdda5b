"""Describes the Slurm job that a supervisor runs in: its GPUs, and what Slurm's signals mean.

Slurm takes a job back with SIGTERM (preempted, time limit, cancelled) and announces
the time limit with SIGUSR2, as it was asked to when the job was submitted; the app asks to stop with SIGINT, which
Slurm never sends by itself, and with a mark in the run's folder, which also reaches a job that starts later.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping

from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.base import Eviction, EvictionOutcome
from imgexp_tui.runner.launchers.slurm import api

_JOB_ID_VARIABLE = "SLURM_JOB_ID"
_REQUEUE_TRIES, _REQUEUE_PAUSE = 3, 5.0
"""How often Slurm is asked to queue the job again, and with how many seconds between."""
_PREEMPTED = "Slurm needs its place for another job, or its node"
_CONTROLLER_TIMEOUT = 5.0
"""Seconds that the controller may take to say how often the job was started before."""


class SlurmJob:
    """The job that this process is.

    Attributes:
        schema: Slurm's.
        job_id: Slurm's id.
        gpus: the GPUs that Slurm gave, as CUDA_VISIBLE_DEVICES numbers them.
        eviction_signals: Slurm sends SIGTERM when it takes the job back, and SIGUSR2 before its time limit.

    Raises:
        SlurmError: this process is no job of Slurm's.
    """

    schema = SLURM
    eviction_signals = (signal.SIGTERM, signal.SIGUSR2)

    def __init__(self, run: RunDir, environ: Mapping[str, str]) -> None:
        if _JOB_ID_VARIABLE not in environ:
            raise api.SlurmError("this is no Slurm job")
        self._stop_mark = run.path / api.STOP_MARK
        self._environ = environ
        self._restart_count = 0
        request = Request.read(run)
        self._uuid = request.uuid if request else ""
        self.job_id = environ[_JOB_ID_VARIABLE]
        words = environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        self.gpus = tuple(int(word) for word in words if word.isdecimal())

    def read_restart_count(self) -> None:
        """Note how often the job was started before. After a failure of the controller its variable is not set,
        however often that was."""
        if "SLURM_RESTART_COUNT" in self._environ:
            self._restart_count = _int_or_zero(self._environ["SLURM_RESTART_COUNT"])
            return
        with contextlib.suppress(api.SlurmError):
            api.require_controller(_CONTROLLER_TIMEOUT)
            self._restart_count = _int_or_zero(self._job_fields().get("Restarts", ""))

    def stop_requested(self) -> bool:
        """Whether the mark is there."""
        return self._stop_mark.exists()

    def clear_stop_request(self) -> None:
        """Take the mark away: it was answered."""
        self._stop_mark.unlink(missing_ok=True)

    def explain_eviction(self, signum: int) -> Eviction:
        """Say what the signal means that the job got without the app's doing."""
        outcome, reason = self._eviction_outcome(signum)
        short = "its time limit is too short for it to get anywhere; see [lab.slurm] time"
        return Eviction(
            outcome, SLURM.describe_job(self.job_id), reason, self._requeue, short if signum == signal.SIGUSR2 else ""
        )

    def _eviction_outcome(self, signum: int) -> tuple[EvictionOutcome, str]:
        try:
            facts = self._job_fields()
        except api.SlurmError:
            facts = {}
        preempted = facts.get("PreemptTime", "None") not in ("None", "N/A")
        if signum == signal.SIGUSR2:
            return EvictionOutcome.ASK, _PREEMPTED if preempted else "its time limit is near"
        if not facts:
            return EvictionOutcome.UNKNOWN, "Slurm takes the job back and does not say why"
        if _int_or_zero(facts.get("Restarts", "")) > self._restart_count:
            return EvictionOutcome.AGAIN, _PREEMPTED
        if "TimeLimit" in facts.get("Reason", "") or facts.get("JobState") == "TIMEOUT":
            return EvictionOutcome.ASK, "its time limit is over"
        if preempted:
            return EvictionOutcome.ASK, _PREEMPTED
        if facts.get("JobState") == "RUNNING":
            return EvictionOutcome.ASK, "Slurm asks it to end"
        return EvictionOutcome.CANCELLED, f"Slurm job {self.job_id} was cancelled, but not by this app"

    def _requeue(self) -> str:
        """Ask Slurm to end this job and start it again later; "" where it will, else why not."""
        message = ""
        for left in reversed(range(_REQUEUE_TRIES)):
            try:
                api.requeue(self.job_id)
                return ""
            except api.SlurmError as error:
                message = str(error)
            if left:
                time.sleep(_REQUEUE_PAUSE)
        return message

    def _job_fields(self) -> dict[str, str]:
        """What Slurm says of this job. Its number may have gone to another one since."""
        facts = api.read_job_fields(self.job_id)
        if facts.get("JobName") != api.job_name(self._uuid):
            raise api.SlurmError(f"Slurm job {self.job_id} is another one by now")
        return facts


def _int_or_zero(text: str) -> int:
    return int(text) if text.isdecimal() else 0
