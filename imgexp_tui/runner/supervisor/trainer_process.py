"""Forks the trainer's process: its command line, working directory, environment and log."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from imgexp_tui.paths import RUNS
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.signals import end_with_parent
from imgexp_tui.runner.source_copy import command_with_copies, source_environment
from imgexp_tui.runner.supervisor.held_process import HeldProcess, fork_held
from imgexp_tui.runner.supervisor.process_cleanup import RUN_UUID_VARIABLE

_MALLOC_SETTINGS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}
"""glibc then keeps freed memory, so that large activations are not mapped anew at every step."""


def lab_of_run(run: RunDir) -> Path:
    """The lab that holds `run`: it may have been moved since the run was asked for."""
    return run.path.parent.parent.parent


def fork_trainer(
    run: RunDir, request: Request, gpus: Sequence[int] = (), *, ends_with_parent: bool = False
) -> HeldProcess:
    """The trainer's process, in a session of its own, its output appended to the run's log; it begins when let go.

    Args:
        gpus: the GPUs that it was given.
        ends_with_parent: it is asked to end when this process dies. In a cluster's job it would go on outside of
            what the cluster gave
            and counts, on a cluster that follows processes by their parents only.

    Raises:
        OSError: its log cannot be written, or there is no room for a process.
    """
    with run.log.open("ab", buffering=0) as log:
        env = trainer_environment(run, request) | gpu_environment(request, gpus)
        first = end_with_parent if ends_with_parent else None
        return fork_held(command_line(run, request), cwd=lab_of_run(run), env=env, output=log.fileno(), on_fork=first)


def command_line(run: RunDir, request: Request) -> list[str]:
    """The command line, with the run's folder where that lies by now: its version may have been renamed."""
    if request.trainer == "shipped":
        return [*request.argv[:-1], os.fspath(run.path)]
    original = os.fspath(Path(request.lab, RUNS, request.version, request.run))
    words = [word.replace(original, os.fspath(run.path)) for word in request.argv]
    return command_with_copies(words, lab_of_run(run), run.path / request.source) if request.source else words


def trainer_environment(run: RunDir, request: Request) -> dict[str, str]:
    """The trainer's environment: ours, its run's folder and mark, its source, and output that is not held back."""
    environment = dict(os.environ)
    environment |= {"IMGEXP_RUN_DIR": os.fspath(run.path), RUN_UUID_VARIABLE: request.uuid, "PYTHONUNBUFFERED": "1"}
    if request.source:
        environment |= source_environment(
            command_line(run, request), environment, lab_of_run(run), run.path / request.source
        )
    if request.trainer == "shipped":
        return _MALLOC_SETTINGS | environment if sys.platform == "linux" else environment
    environment["PATH"] = search_path(environment)
    return environment


def gpu_environment(request: Request, gpus: Sequence[int]) -> dict[str, str]:
    """The variables that show the trainer the GPUs that it was given, and no others.

    Drivers count cards in the order of the bus; CUDA does so where it is asked to.
    """
    if gpus:
        given = ",".join(map(str, gpus))
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": given, "IMGEXP_GPUS": given}
    return {} if request.gpus else {"CUDA_VISIBLE_DEVICES": ""}


def search_path(environ: Mapping[str, str]) -> str:
    """A PATH on which `python` is that of the activated environment, else the one that runs this app."""
    ours, theirs = os.fspath(Path(sys.executable).parent), environ.get("PATH", os.defpath)
    activated = "VIRTUAL_ENV" in environ or "CONDA_PREFIX" in environ
    return os.pathsep.join((theirs, ours) if activated else (ours, theirs))
