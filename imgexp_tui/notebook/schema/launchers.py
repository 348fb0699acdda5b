"""The launchers that a notebook may name: their names, the tables of `[lab]` they take, the states of their jobs.

This is the one list of launchers. It holds what the notebook and the records must know without running anything; what
starts and stops runs is the module of the same name in `runner/launchers/`, found through this list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LauncherSchema:
    """A launcher as notebooks and records know it.

    Attributes:
        name: in `launcher = "…"`, as the table `[lab.NAME]`, as the key of that table in `request.json`, and at the
            start of `launcher` in `process.json`. Also the module's name in `runner/launchers/`.
        title: for people, such as "Slurm"; "" for a launcher without jobs.
        options_error: says what is wrong with the table `[lab.NAME]`, None where it is right; None for a launcher
            without such a table.
        waiting_states: the controller's names for a job that does not run yet, or not again.
        ended_states: the controller's names for a job that does not run any more.
    """

    name: str
    title: str = ""
    options_error: Callable[[object], str | None] | None = None
    waiting_states: frozenset[str] = frozenset()
    ended_states: frozenset[str] = frozenset()

    @property
    def has_jobs(self) -> bool:
        """Whether a run is a job that a controller places, perhaps on another machine."""
        return bool(self.title)

    def describe_job(self, job_id: str) -> str:
        """Such as "Slurm job 12"; "its Slurm job" where the id is not known."""
        return f"{self.title} job {job_id}" if job_id else f"its {self.title} job"


def sbatch_options_error(table: object) -> str | None:
    """What is wrong with `[lab.slurm]`: names of sbatch's long options, with a text, a number or true."""
    if not isinstance(table, dict):
        return "must be a table; write [lab.slurm]"
    for name, value in table.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            return f"{name!r} is no option of sbatch; write its long name, such as partition"
        if not isinstance(value, str | int) or (isinstance(value, str) and "\n" in value):
            return f"{name} must be a text, a whole number or true"
    return None


LOCAL = LauncherSchema("local")
"""This machine: the default."""
SLURM = LauncherSchema(
    "slurm",
    "Slurm",
    sbatch_options_error,
    # As `squeue` names them (man 1 squeue, JOB STATE CODES).
    waiting_states=frozenset(
        {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
    ),
    ended_states=frozenset(
        {
            *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
            *("REVOKED", "TIMEOUT"),
        }
    ),
)
LAUNCHERS = {launcher.name: launcher for launcher in (LOCAL, SLURM)}
"""Name → launcher."""
OPTION_TABLES = tuple(launcher.name for launcher in LAUNCHERS.values() if launcher.options_error)
"""The launchers that take a table `[lab.NAME]`."""


def options_error(name: str, table: object) -> str | None:
    """What is wrong with the table `[lab.NAME]` of a launcher of `OPTION_TABLES`; None where it is right."""
    check = LAUNCHERS[name].options_error
    return check(table) if check else None
