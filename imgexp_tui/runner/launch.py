"""Launches a run of a version: checks the notebook, writes `request.json`, and submits the run to its launcher."""

from __future__ import annotations

import getpass
import math
import os
import secrets
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.schema.command import RUN_DIR_PLACEHOLDER, fill_placeholders
from imgexp_tui.notebook.schema.launchers import OPTION_TABLES
from imgexp_tui.notebook.schema.resources import Resources, resolve_resources, resource_error
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, closest_name
from imgexp_tui.records.documents import DEFAULT_GRACE, DEFAULT_HEARTBEAT, Request
from imgexp_tui.records.metrics.metric import lab_metrics
from imgexp_tui.records.rundir import RunDir, create_run_dir
from imgexp_tui.runner import provenance, source_copy
from imgexp_tui.runner.extras import missing_trainer_error
from imgexp_tui.runner.launchers import find_launcher
from imgexp_tui.runner.launchers.base import LauncherError
from imgexp_tui.runner.supervisor.process_cleanup import end_processes, processes_of_run

_TRAINER_MODULE, _MULTI_GPU_TRAINER_MODULE = "imgexp_tui.training", "imgexp_tui.training.ranks"
"""The shipped trainer: one process, and several, one for each GPU."""
_PATH_SETTINGS = ("data", "weights")
"""Settings that may name a file or folder, relative to the lab."""


class LaunchError(Exception):
    """The run was not started; the message is one sentence that says why."""


def launch(
    notebook: Notebook,
    version: str,
    *,
    overrides: Mapping[str, SettingValue] | None = None,
    seed: int | None = None,
    resources: Mapping[str, Any] | None = None,
    group: str = "",
) -> RunDir:
    """Starts or queues a run of `version`; the run continues when this process ends.

    Returns when the supervisor has started the trainer, has joined the queue, or has recorded why it could do neither;
    with a launcher of jobs, when the cluster has the job.

    Args:
        overrides: settings in place of the notebook's.
        seed: in place of the notebook's.
        resources: some of `NEEDS`, as the notebook spells them, in place of the notebook's.
        group: the id that it shares with runs that differ only in their seed.

    Raises:
        LaunchError: nothing was started, and no run is left behind.
    """
    wanted = _runnable_version(notebook, version)
    if wanted.command is None and (missing := missing_trainer_error()):
        raise LaunchError(f"cannot start {wanted.name}: {missing}")
    given = dict(overrides or {}) | ({"seed": seed} if seed is not None else {})
    _check_overrides(wanted, given)
    config = _with_absolute_paths(wanted.config | given, notebook.lab)
    asked = _requested_resources(wanted, resources or {}, config)
    try:
        run = create_run_dir(notebook.lab.absolute(), wanted.name)
    except OSError as error:
        raise LaunchError(f"cannot make a folder for the run: {_describe_error(error)}") from None
    try:
        request = _build_request(notebook, wanted, run, config, given, asked.gpus)
        request = replace(request, **asdict(asked), group=group, source=_copy_source(notebook.lab, wanted, run, config))
        request.write(run)
        find_launcher(request.launcher).submit(run, request)
    except (OSError, LauncherError) as error:
        _remove_run(run)
        raise LaunchError(f"cannot start {wanted.name}: {_describe_error(error)}") from None
    return run


def _remove_run(run: RunDir) -> None:
    """Removes everything of a run that could not be started, also its processes if the supervisor was killed."""
    if request := Request.read(run):
        end_processes(lambda: processes_of_run(request.uuid, None), graceful=False)
    shutil.rmtree(run.path, ignore_errors=True)


def launch_seeds(
    notebook: Notebook,
    version: str,
    count: int,
    *,
    overrides: Mapping[str, SettingValue] | None = None,
    seed: int | None = None,
    resources: Mapping[str, Any] | None = None,
) -> Iterator[RunDir]:
    """Starts `count` runs that differ only in their seed, counting up from the notebook's (or from `seed`).

    Raises:
        LaunchError: this one and those after it were not started.
    """
    first = seed if seed is not None else _runnable_version(notebook, version).config.get("seed", 0)
    group = secrets.token_hex(4)
    for number in range(int(first), int(first) + count):
        yield launch(notebook, version, overrides=overrides, seed=number, resources=resources, group=group)


def _requested_resources(
    version: Version, overrides: Mapping[str, Any], config: Mapping[str, SettingValue]
) -> Resources:
    """Returns the needed resources. The shipped trainer on the CPU needs no GPU, whatever the notebook says."""
    for key, value in overrides.items():
        if wrong := resource_error(key, value):
            raise LaunchError(f"{key}: {wrong}")
    changed = asdict(resolve_resources(overrides))
    needed = replace(version.resources, **{key: changed[key] for key in overrides})
    device = str(config.get("device", "")) if version.command is None else ""
    if device == "cpu" and needed.gpus == 1:
        return replace(needed, gpus=0)
    if device.startswith("cuda:") and needed.gpus > 1:
        raise LaunchError(
            f'{version.name} asks for {needed.gpus} GPUs and for device = "{device}"; take device = "auto"'
        )
    return needed


def _copy_source(lab: Path, version: Version, run: RunDir, config: Mapping[str, SettingValue]) -> str:
    """Copies the lab's source if the run uses it; returns the name of the copy's folder, "" without a copy."""
    if version.command is None and ":" not in str(config.get("encoder", "")):
        return ""
    return source_copy.SOURCE_FOLDER if source_copy.copy_source(lab.absolute(), run) else ""


def _runnable_version(notebook: Notebook, name: str) -> Version:
    if name not in notebook.versions:
        near = closest_name(name, notebook.versions)
        hint = f"did you mean {near}?" if near else f"it has {', '.join(notebook.versions) or 'none yet'}"
        raise LaunchError(f"{notebook.path.name} has no version {name}; {hint}")
    version = notebook.versions[name]
    if not version.runnable:
        first, *others = (str(problem) for problem in version.problems)
        more = f" (and {len(others)} more; see them all with: imgexp-tui check)" if others else ""
        raise LaunchError(f"{name} cannot run: {first}{more}")
    return version


def _check_overrides(version: Version, overrides: Mapping[str, SettingValue]) -> None:
    known = SETTINGS if version.command is None else [*version.train, "seed"]
    for name, value in overrides.items():
        if name not in known:
            near = closest_name(name, known)
            hint = f"did you mean {near}?" if near else f"take one of {', '.join(known)}"
            raise LaunchError(f"{version.name} has no setting {name}; {hint}")
        checked = name in SETTINGS and (version.command is None or name == "seed")
        if checked and (fault := SETTINGS[name].validation_error(value)):
            raise LaunchError(f"{name}: {fault}")


def _with_absolute_paths(config: dict[str, SettingValue], lab: Path) -> dict[str, SettingValue]:
    """Returns `config` with absolute paths for files and folders, so that the record is unambiguous."""
    absolute = dict(config)
    for name in _PATH_SETTINGS:
        setting, value = SETTINGS[name], config.get(name)
        if isinstance(value, str) and value and value != setting.default and value not in setting.choices:
            path = lab.absolute() / Path(value).expanduser()
            if path.exists():
                absolute[name] = os.fspath(path)
    return absolute


def _build_request(
    notebook: Notebook,
    version: Version,
    run: RunDir,
    config: dict[str, SettingValue],
    overrides: dict[str, SettingValue],
    gpus: int,
) -> Request:
    seed = config.get("seed", 0)
    return Request(
        uuid=str(uuid.uuid4()),
        run=run.run_id,
        version=version.name,
        base=version.base,
        config=dict(config),
        argv=_trainer_argv(version, run, config, gpus),
        trainer="shipped" if version.command is None else "command",
        seed=seed if isinstance(seed, int) else 0,
        lab=os.fspath(notebook.lab.absolute()),
        host=socket.gethostname(),
        user=_user_name(),
        created=time.time(),
        overrides=dict(overrides),
        git=provenance.git_state(notebook.lab),
        packages=provenance.package_versions(),
        slots=notebook.lab_settings.get("slots", 1),
        launcher_options={n: dict(table) for n in OPTION_TABLES if (table := notebook.lab_settings.get(n))},
        on_event=list(notebook.lab_settings.get("on_event", ())),
        grace=_lab_seconds(notebook, "grace", DEFAULT_GRACE),
        heartbeat=_lab_seconds(notebook, "heartbeat", DEFAULT_HEARTBEAT),
        judge=version.judge,
        judge_goal=lab_metrics(notebook)[version.judge].goal_or_lower.value if version.judge else "",
    )


def _trainer_argv(version: Version, run: RunDir, config: Mapping[str, SettingValue], gpus: int) -> list[str]:
    if version.command is None:
        return [
            sys.executable,
            "-P",
            "-m",
            _MULTI_GPU_TRAINER_MODULE if gpus > 1 else _TRAINER_MODULE,
            os.fspath(run.path),
        ]
    return fill_placeholders(version.command, {RUN_DIR_PLACEHOLDER: os.fspath(run.path)} | dict(config))


def _lab_seconds(notebook: Notebook, name: str, default: float) -> float:
    """Returns a duration in seconds from `[lab]`."""
    value = notebook.lab_settings.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _describe_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
