"""What `docs/what_if.md` promises, where no other test holds it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load
from imgexp_tui.records import lines
from imgexp_tui.records.documents import Process
from imgexp_tui.records.follow import RunView
from imgexp_tui.records.identity import Identity
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.state import State, status
from imgexp_tui.runner.control import ControlError, stop
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.queue import Queue

from .conftest import ROOT, stop_all

NOTEBOOK = """
[lab]
grace = 10
slots = {slots}
[versions.v0]
command = ["python", "counter.py", "0.01", "{{most}}"]
[versions.v0.train]
most = 1000000
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    lab = tmp_path / "lab"
    lab.mkdir()
    shutil.copy(ROOT / "benchmarks" / "counter.py", lab)
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=50))
    yield lab
    stop_all(lab)


def until(so: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def started(lab: Path) -> RunDir:
    run = launch(load(lab), "v0")
    until(lambda: lines.read(run.metrics), "the first line")
    return run


def processes(run: RunDir) -> tuple[Identity, Identity]:
    """Supervisor and trainer."""
    found = Process.read(run)
    assert found and found.supervisor and found.trainer
    return found.supervisor, found.trainer


def test_a_run_whose_folder_is_deleted_is_ended_and_frees_its_place(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=1))
    run = started(lab)
    view = RunView(run)
    view.poll()
    waiting = launch(load(lab), "v0")
    assert status(waiting).state is State.QUEUED
    supervisor, trainer = processes(run)
    subprocess.run(["rm", "-rf", str(run.path)], check=True)
    until(lambda: not supervisor.alive() and not trainer.alive(), "it is ended")
    assert not run.path.exists()
    assert find_runs(lab) == [waiting]
    view.poll()
    assert view.status.state is State.LOST and "folder is gone" in view.status.evidence
    with pytest.raises(ControlError, match="folder is gone"):
        stop(run)
    until(lambda: status(waiting).state is State.RUNNING, "the next one starts")


def test_a_waiting_run_whose_folder_is_deleted_leaves_the_queue(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=1))
    started(lab)
    waiting = launch(load(lab), "v0")
    (ticket,) = [t for t in Queue().tickets() if t.run == waiting.run]
    assert [e["kind"] for e in lines.read(waiting.events)] == ["queued"]
    subprocess.run(["rm", "-rf", str(waiting.path)], check=True)
    until(lambda: not ticket.supervisor.alive(), "its supervisor leaves")
    assert len(Queue().tickets()) == 1


def test_a_lab_that_is_moved_under_a_live_run_does_not_end_it(lab: Path) -> None:
    run = started(lab)
    supervisor, trainer = processes(run)
    moved = lab.with_name("moved")
    lab.rename(moved)
    run = find_runs(moved)[0]
    before = len(lines.read(run.system))
    until(lambda: len(lines.read(run.system)) >= before + 2, "the supervisor takes samples")
    assert supervisor.alive() and trainer.alive()
    assert status(run).state is State.RUNNING
    stop(run)
    until(lambda: not supervisor.alive() and not trainer.alive(), "it is ended")
    moved.rename(lab)
