"""`cache/slurm.json`: what Slurm's controller said last of the job that carries a run. Disposable: it is asked again.

The controller knows where a job stands that has not started yet, or not again; of everything else the run's own
files know more. Whoever asks it writes the answer here, so that whoever reads a state need not ask.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import orjson

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir

WAITING_STATES = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
)
"""Names that `squeue` has for a job that does not run yet, or not again (man 1 squeue, JOB STATE CODES)."""
ENDED_STATES = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("REVOKED", "TIMEOUT"),
    }
)
"""And for one that does not run any more."""


@dataclass(frozen=True, slots=True)
class SlurmStatus:
    """One answer, or one silence.

    Attributes:
        uuid: the run's; a folder may have been copied.
        job: Slurm's number; "" where no job of the run was found yet.
        state: as `squeue` names it; "" where the controller answers and knows no job of the run.
        reason: why it waits, in Slurm's word.
        asked: when the controller was asked and said so for the first time, seconds since the epoch; 0 for never.
        silent: since when it does not answer; 0 while it does.
    """

    uuid: str
    job: str = ""
    state: str = ""
    reason: str = ""
    asked: float = 0.0
    silent: float = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether the controller has answered, and the job does not wait or run (any more)."""
        return self.asked > 0 and (not self.state or self.state in ENDED_STATES)

    def write(self, run: RunDir) -> None:
        """Put it into the run's cache; not done where that cannot be written."""
        with contextlib.suppress(OSError):
            run.cache.mkdir(mode=0o700, exist_ok=True)
            durable.replace(_path(run), orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE))

    @classmethod
    def read(cls, run: RunDir, uuid: str) -> Self | None:
        """What was said of this run; None where nothing is known."""
        try:
            data = orjson.loads(_path(run).read_bytes())
            words = {name: str(data[name]) for name in ("uuid", "job", "state", "reason")}
            slurm_status = cls(**words, asked=float(data["asked"]), silent=float(data["silent"]))
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return slurm_status if slurm_status.uuid == uuid else None


def _path(run: RunDir) -> Path:
    return run.cache / "slurm.json"
