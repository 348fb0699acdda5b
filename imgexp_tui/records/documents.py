"""The three JSON documents of a run: its request, its processes, its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Self, TypeVar

import orjson

from imgexp_tui import durable
from imgexp_tui.notebook.schema.launchers import LOCAL, OPTION_TABLES
from imgexp_tui.records.json_bytes import dumps
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir

DEFAULT_GRACE, DEFAULT_HEARTBEAT = 60.0, 120.0
"""Seconds, unless `[lab]` says otherwise."""


@dataclass(frozen=True, slots=True)
class Request:
    """`request.json`: what to run, fixed at the launch. Written once.

    Attributes:
        uuid: identifies the run, also after its folder is renamed.
        config: every setting of the shipped trainer, resolved; the version's own values for a `command`.
        argv: what the supervisor starts.
        trainer: "shipped" or "command".
        overrides: the settings of the command line that replace the notebook's.
        git: `sha`, `branch`, `dirty` and `diff` of the lab's repository; {} outside one.
        packages: versions of the packages that influence results.
        created: seconds since the epoch.
        grace: seconds between SIGTERM and SIGKILL when the run is stopped.
        heartbeat: seconds without a new line in any of the live run's files before it counts as stalled.
        launcher: name of one of `notebook.schema.launchers.LAUNCHERS`.
        gpus: how many it uses; 0 uses the CPU only.
        gpu_memory: bytes that must be free on each of them; 0 for no condition.
        slots: runs that may share a GPU, or a machine without one.
        group: id that runs launched together for their seeds share; "" for a run by itself.
        source: name of the folder with a copy of the lab's own source code; "" where none of it runs.
        launcher_options: launcher → its table `[lab.NAME]`; in the file each table is a key of its own, the name.
        on_event: the command that is run for each event; [] without.
        judge: the metric that decides which epoch is the best; "" (and not in the file) where the notebook names none.
        judge_goal: "higher" or "lower", which of its values are better; "" without a judge.
    """

    uuid: str
    run: str
    version: str
    base: str | None
    config: dict[str, Any]
    argv: list[str]
    trainer: str
    seed: int
    lab: str
    host: str
    user: str
    created: float
    overrides: dict[str, Any] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    grace: float = DEFAULT_GRACE
    heartbeat: float = DEFAULT_HEARTBEAT
    launcher: str = LOCAL.name
    gpus: int = 1
    gpu_memory: int = 0
    slots: int = 1
    group: str = ""
    source: str = ""
    launcher_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_event: list[str] = field(default_factory=list)
    judge: str = ""
    judge_goal: str = ""

    def write(self, run: RunDir) -> None:
        data: dict[str, Any] = {}
        for key, value in asdict(self).items():
            if key == "launcher_options":
                data |= {name: value.get(name, {}) for name in OPTION_TABLES}
            else:
                data[key] = value
        if not self.judge:
            del data["judge"], data["judge_goal"]
        durable.create(run.request, _dump(data))

    @classmethod
    def read(cls, run: RunDir) -> Self | None:
        return _load(cls, run.request, _gather_launcher_options)


@dataclass(frozen=True, slots=True)
class Process:
    """`process.json`: the processes of the current attempt.

    Attributes:
        attempt: 1 for the first, one more for each resume.
        supervisor, trainer: identities; the trainer's is None until it starts.
        started: when this attempt began, seconds since the epoch.
        launcher: the launcher's name and, where a job carries the run, the job's id once it runs: "local", "NAME 12".
        waiting: why the trainer is not started yet, for people; "" once it is.
        gpus: indices of its GPUs, in the driver's order.
    """

    uuid: str
    attempt: int
    supervisor: ProcessIdentity | None
    trainer: ProcessIdentity | None
    started: float
    launcher: str = LOCAL.name
    waiting: str = ""
    gpus: list[int] = field(default_factory=list)

    @property
    def launcher_name(self) -> str:
        """The launcher's name alone."""
        return self.launcher.partition(" ")[0]

    @property
    def job_id(self) -> str:
        """The id of the job that carries the run; "" where none does, or none is known yet."""
        return self.launcher.partition(" ")[2].strip()

    def write(self, run: RunDir) -> None:
        durable.replace(run.process, _dump(asdict(self)))

    @classmethod
    def read(cls, run: RunDir) -> Self | None:
        process = _load(cls, run.process)
        if process is None:
            return None
        supervisor, trainer = (ProcessIdentity.from_json(p) for p in (process.supervisor, process.trainer))
        return replace(process, supervisor=supervisor, trainer=trainer)


@dataclass(frozen=True, slots=True)
class Exit:
    """`exit.json`: how the attempt ended. A run without it is not finished.

    Attributes:
        exit_code: the trainer's; None where a signal killed it or its end was not observed.
        signal: name of the signal that killed it, such as "SIGKILL"; None without one.
        cause: "finished", "stopped", "failed" or "killed", or "lost" where the exit was not observed.
        detail: one sentence of evidence for people.
        ended: seconds since the epoch.
    """

    uuid: str
    attempt: int
    exit_code: int | None
    signal: str | None
    cause: str
    detail: str
    ended: float

    def write(self, run: RunDir) -> None:
        durable.replace(run.exit, _dump(asdict(self)))

    @classmethod
    def read(cls, run: RunDir) -> Self | None:
        return _load(cls, run.exit)


def _dump(data: dict[str, Any]) -> bytes:
    return dumps(data, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


_FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, NoneType),
    "int": (int,),
    "int | None": (int, NoneType),
    "float": (int, float),
    "list[str]": (list,),
    "list[int]": (list,),
    "dict[str, Any]": (dict,),
    "dict[str, str]": (dict,),
    "dict[str, dict[str, Any]]": (dict,),
}
_T = TypeVar("_T")


def _gather_launcher_options(data: dict[str, Any]) -> None:
    """Put the tables of the launchers under one key.

    Raises:
        TypeError: one is no table.
    """
    tables = {name: data[name] for name in OPTION_TABLES if name in data}
    if not all(isinstance(table, dict) for table in tables.values()):
        raise TypeError("not a table")
    data["launcher_options"] = {name: table for name, table in tables.items() if table}


def _load(cls: type[_T], path: Path, prepare: Callable[[dict[str, Any]], None] | None = None) -> _T | None:
    """The document at `path`; None where it is missing, incomplete or damaged. Unknown keys are ignored."""
    try:
        data = orjson.loads(path.read_bytes())
        if prepare:
            prepare(data)
        known = {f.name: f for f in fields(cls) if f.name in data}  # type: ignore[arg-type]
        valid = all(isinstance(data[n], _FIELD_TYPES.get(str(f.type), (object,))) for n, f in known.items())
        return cls(**{n: data[n] for n in known}) if valid else None
    except (OSError, ValueError, TypeError):
        return None
