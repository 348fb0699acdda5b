"""`cache/LAUNCHER.json`: the latest answer of a cluster's controller about the job of a run.

Only the controller knows about a job that has not started yet, or not again; about everything else the run's own files
know more. The process that asks it (`runner/launchers/poller.py`) writes the answer here, so that readers of a run's
state need not ask. Disposable: it is asked again.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import orjson

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One answer of the controller, or its silence.

    Attributes:
        uuid: the run's; a folder may have been copied.
        job: the job's id; "" where no job of the run was found yet.
        state: as the controller names it (`LauncherSchema` says which states wait and which have ended); "" where the
            controller answers and knows no job of the run.
        reason: why it waits, in the controller's word.
        asked: when the controller first gave this answer, seconds since the epoch; 0 for never.
        silent: since when it does not answer, seconds since the epoch; 0 while it does.
    """

    uuid: str
    job: str = ""
    state: str = ""
    reason: str = ""
    asked: float = 0.0
    silent: float = 0.0

    def write(self, run: RunDir, launcher: str) -> None:
        """Write it into the run's cache; does nothing where that cannot be written."""
        with contextlib.suppress(OSError):
            run.cache.mkdir(mode=0o700, exist_ok=True)
            durable.replace(_path(run, launcher), orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE))

    @classmethod
    def read(cls, run: RunDir, launcher: str, uuid: str) -> Self | None:
        """The last answer of a launcher's controller about this run; None where nothing is known."""
        try:
            data = orjson.loads(_path(run, launcher).read_bytes())
            words = {name: str(data[name]) for name in ("uuid", "job", "state", "reason")}
            found = cls(**words, asked=float(data["asked"]), silent=float(data["silent"]))
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return found if found.uuid == uuid else None

    def is_gone(self, ended_states: frozenset[str]) -> bool:
        """Whether the controller has answered, and the job does not wait or run (any more)."""
        return self.asked > 0 and (not self.state or self.state in ended_states)


def _path(run: RunDir, launcher: str) -> Path:
    return run.cache / f"{launcher}.json"
