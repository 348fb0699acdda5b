"""The seam for launchers: how one is found, and that a new one needs nothing but a module and an entry in the table."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

import imgexp_tui
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.schema.launchers import LAUNCHERS, SLURM, LauncherSchema
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, status
from imgexp_tui.runner import launchers
from imgexp_tui.runner.control import ControlError, resume, stop
from imgexp_tui.runner.launch import LaunchError, launch
from imgexp_tui.runner.launchers.base import LauncherError, job_folder
from imgexp_tui.runner.launchers.poller import JobPoller
from tests.conftest import NewLab

NOTEBOOK = """
[lab]
launcher = "pbs"
[versions.v0]
command = ["true"]
"""
PBS = LauncherSchema("pbs", "PBS", None, frozenset({"Q", "H"}), frozenset({"F"}))


class PbsLauncher:
    """Says what it was asked, and carries no run."""

    schema = PBS

    def __init__(self) -> None:
        self.refusal = ""
        self.stopped: list[str] = []

    def submit(self, run: RunDir, request: Request) -> None:
        if self.refusal:
            raise LauncherError(self.refusal)
        job_folder(run, PBS.name).mkdir(exist_ok=True)
        last = Exit.read(run)
        Process(
            request.uuid, last.attempt + 1 if last else 1, None, None, time.time(), PBS.name, "waits for its PBS job"
        ).write(run)

    def stop(self, run: RunDir, process: Process) -> None:
        if self.refusal:
            raise LauncherError(self.refusal)
        self.stopped.append(process.uuid)
        Exit(process.uuid, process.attempt, None, None, "stopped", "as asked", time.time()).write(run)

    def poll(self, runs: Iterable[RunDir]) -> None:
        for run in runs:
            request = Request.read(run)
            assert request
            JobStatus(request.uuid, "7.server", "Q", "no room", time.time() + 1).write(run, PBS.name)

    def diagnose(self) -> None: ...


@pytest.fixture
def pbs(monkeypatch: pytest.MonkeyPatch) -> PbsLauncher:
    """One more launcher: an entry in the table, and a module of the same name beside the others."""
    launcher, module = PbsLauncher(), ModuleType(f"{launchers.__name__}.pbs")
    module.LAUNCHER = launcher  # type: ignore[attr-defined]
    monkeypatch.setitem(LAUNCHERS, PBS.name, PBS)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return launcher


def test_every_launcher_of_the_table_is_found_under_its_name() -> None:
    assert [launcher.schema for launcher in launchers.all_launchers()] == list(LAUNCHERS.values())
    with pytest.raises(LauncherError, match="no launcher 'slurp' here; take local or slurm"):
        launchers.find_launcher("slurp")


def test_a_new_launcher_needs_its_module_and_its_entry_alone(pbs: PbsLauncher, new_lab: NewLab) -> None:
    run = launch(load_notebook(new_lab(NOTEBOOK)), "v0")
    assert (status(run).state, status(run).evidence) == (State.QUEUED, "waits for its PBS job")
    JobPoller().poll([run], timeout=10)
    assert (run.cache / "pbs.json").is_file()
    assert (status(run).state, status(run).evidence) == (State.QUEUED, "PBS job 7.server q: no room")
    stop(run)
    request = Request.read(run)
    assert request and pbs.stopped == [request.uuid]
    assert status(run).state is State.STOPPED
    resume(run)
    assert (status(run).state, status(run).attempt) == (State.QUEUED, 2)


def test_what_a_launcher_refuses_is_told_and_leaves_no_run(pbs: PbsLauncher, new_lab: NewLab) -> None:
    notebook = load_notebook(new_lab(NOTEBOOK))
    run = launch(notebook, "v0")
    pbs.refusal = "PBS is down"
    with pytest.raises(LaunchError, match=r"^cannot start v0: PBS is down$"):
        launch(notebook, "v0")
    assert list(run.path.parent.iterdir()) == [run.path]
    with pytest.raises(ControlError, match=rf"^cannot stop v0/{run.run_id}: PBS is down$"):
        stop(run)
    pbs.refusal = ""
    stop(run)
    pbs.refusal = "PBS is down"
    with pytest.raises(ControlError, match=rf"^cannot resume v0/{run.run_id}: PBS is down$"):
        resume(run)


def test_a_run_of_a_launcher_that_is_gone_is_refused_by_name(
    pbs: PbsLauncher, new_lab: NewLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(load_notebook(new_lab(NOTEBOOK)), "v0")
    stop(run)
    monkeypatch.delitem(LAUNCHERS, PBS.name)
    with pytest.raises(ControlError, match="there is no launcher 'pbs' here; take local or slurm"):
        resume(run)


def test_nothing_outside_its_room_and_the_schema_names_a_launcher_of_jobs() -> None:
    package = Path(imgexp_tui.__file__).parent
    room, table = package / "runner/launchers/slurm", package / "notebook/schema/launchers.py"
    word = re.compile(rf"\b{SLURM.name}\b", re.IGNORECASE)
    naming = [path for path in package.rglob("*.py") if word.search(path.read_text())]
    assert [path for path in naming if not path.is_relative_to(room)] == [table]
