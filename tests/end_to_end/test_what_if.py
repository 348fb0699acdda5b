"""What `docs/what_if.md` promises, where no other test holds it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.control import ControlError, resume, stop, wait_for_end
from imgexp_tui.runner.launch import LaunchError, launch
from imgexp_tui.runner.queue.queue import Queue
from tests.conftest import NewLab
from tests.helpers import stop_all, wait_until
from tests.native import library
from tests.support.counting_lab import NOTEBOOK, with_counter
from tests.support.pty_terminal import Terminal


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return with_counter(new_lab(NOTEBOOK.format(slots=50), "lab", runs=True))


def started(lab: Path) -> RunDir:
    run = launch(load_notebook(lab), "v0")
    wait_until(lambda: jsonl.read_records(run.metrics), "the first line")
    return run


def processes(run: RunDir) -> tuple[ProcessIdentity, ProcessIdentity]:
    """Supervisor and trainer."""
    found = Process.read(run)
    assert found and found.supervisor and found.trainer
    return found.supervisor, found.trainer


def test_a_run_whose_folder_is_deleted_is_ended_and_frees_its_place(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=1))
    run = started(lab)
    view = RunFollower(run)
    view.poll()
    waiting = launch(load_notebook(lab), "v0")
    assert status(waiting).state is State.QUEUED
    supervisor, trainer = processes(run)
    subprocess.run(["rm", "-rf", str(run.path)], check=True)
    wait_until(lambda: not supervisor.is_alive() and not trainer.is_alive(), "it is ended")
    assert not run.path.exists()
    assert find_runs(lab) == [waiting]
    view.poll()
    assert view.status.state is State.LOST and "folder is gone" in view.status.evidence
    with pytest.raises(ControlError, match="folder is gone"):
        stop(run)
    wait_until(lambda: status(waiting).state is State.RUNNING, "the next one starts")


def test_a_waiting_run_whose_folder_is_deleted_leaves_the_queue(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=1))
    started(lab)
    waiting = launch(load_notebook(lab), "v0")
    (ticket,) = [t for t in Queue().tickets() if t.run == waiting.run_id]
    assert [e["kind"] for e in jsonl.read_records(waiting.events)] == ["queued"]
    subprocess.run(["rm", "-rf", str(waiting.path)], check=True)
    wait_until(lambda: not ticket.supervisor.is_alive(), "its supervisor leaves")
    assert len(Queue().tickets()) == 1


def test_a_lab_that_is_moved_under_a_live_run_does_not_end_it(lab: Path) -> None:
    run = started(lab)
    supervisor, trainer = processes(run)
    moved = lab.with_name("moved")
    lab.rename(moved)
    run = find_runs(moved)[0]
    before = len(jsonl.read_records(run.system))
    wait_until(lambda: len(jsonl.read_records(run.system)) >= before + 2, "the supervisor takes samples")
    assert supervisor.is_alive() and trainer.is_alive()
    assert status(run).state is State.RUNNING
    stop(run)
    wait_until(lambda: not supervisor.is_alive() and not trainer.is_alive(), "it is ended")
    moved.rename(lab)


BEFORE = "11111111-2222-3333-4444-555555555555"


def test_after_a_reboot_nothing_runs_nothing_holds_a_place_and_the_run_can_be_resumed(lab: Path) -> None:
    """The pids are in use again, by strangers: here by the very processes, under another boot's name."""
    (lab / "experiments.toml").write_text(NOTEBOOK.format(slots=1))
    run = started(lab)
    waiting = launch(load_notebook(lab), "v0")
    queue = next(Path(os.environ["XDG_STATE_HOME"]).rglob("queue.json"))
    rows = json.loads(queue.read_text())
    for one in (run, waiting):  # the power is cut, and the machine comes up again
        process = Process.read(one)
        assert process and process.supervisor
        for carrier in (process.supervisor, process.trainer):
            if carrier:
                os.kill(carrier.pid, signal.SIGKILL)
                wait_until(lambda carrier=carrier: not carrier.is_alive(), "it is dead")
        stranger = replace(_me(), boot_id=BEFORE)
        replace(process, supervisor=stranger, trainer=stranger if process.trainer else None).write(one)
    queue.write_text(json.dumps([row | {"supervisor": replace(_me(), boot_id=BEFORE).to_json()} for row in rows]))

    assert status(run).state is State.LOST and "started anew" in status(run).evidence
    assert status(waiting).state is State.LOST and "ended while it was queued" in status(waiting).evidence
    assert Queue().tickets() == []
    for one in (run, waiting):
        with pytest.raises(ControlError, match="has ended: lost"):
            stop(one)
    before = len(jsonl.read_records(run.metrics))
    resume(run)
    wait_until(lambda: len(jsonl.read_records(run.metrics)) > before, "it goes on")
    assert (status(run).state, status(run).attempt) == (State.RUNNING, 2)
    steps = [line["step"] for line in jsonl.read_records(run.metrics)]
    assert steps == list(range(1, len(steps) + 1))


def _me() -> ProcessIdentity:
    found = identity_of(os.getpid())
    assert found
    return found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield disk
    stop_all(disk / "lab")
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_fills_up_ends_the_run_with_its_reason_and_it_can_be_resumed(disk: Path, lab: Path) -> None:
    shutil.copytree(lab, disk / "lab")
    lab = disk / "lab"
    run = started(lab)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    found = wait_for_end(run)
    # Not even its last words could be written.
    assert found.state is State.FAILED and found.evidence == "exit code 1; its disk is full", found
    acknowledged = (run.path / "acknowledged").read_text().split("\n")[:-1]
    assert {str(line["step"]) for line in jsonl.read_records(run.metrics)} >= set(acknowledged)
    with pytest.raises(LaunchError, match="No space left on device"):
        launch(load_notebook(lab), "v0")
    with pytest.raises(ControlError, match="No space left on device"):
        resume(run)
    assert find_runs(lab) == [run] and status(run).state is State.FAILED
    filler.unlink()
    resume(run)
    wait_until(lambda: len(jsonl.read_records(run.metrics)) > len(acknowledged), "it goes on")
    stop(run)
    assert wait_for_end(run).state is State.STOPPED


CLOCKED = """
import json, os, sys, time
run = os.environ["IMGEXP_RUN_DIR"]
with open(run + "/events.jsonl", "a") as events:
    print(json.dumps({"time": time.time(), "kind": "plan", "epochs": 1, "steps_per_epoch": 100000}), file=events)
step = 0
while True:
    step += 1
    with open(run + "/metrics.jsonl", "a") as metrics:
        print(json.dumps({"step": step, "time": time.time(), "train/loss": 1.0}), file=metrics)
    os.utime(run + "/metrics.jsonl", (time.time(),) * 2)  # as the kernel would, whose clock is the right one here
    time.sleep(0.02)
"""


@pytest.mark.compiler
@pytest.mark.parametrize("jump", [86_400, -86_400])
def test_a_clock_that_is_set_forward_or_back(lab: Path, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    (lab / "counter.py").write_text(CLOCKED)
    clock = lab.parent / "clock"
    clock.write_text("0")
    with monkeypatch.context() as patch:
        patch.setenv("CLOCK_FILE", str(clock))
        patch.setenv("LD_PRELOAD", str(library("clock")))
        run = started(lab)
    wait_until(lambda: len(jsonl.read_records(run.metrics)) > 20, "some lines")
    clock.write_text(str(jump))
    at_once = status(run, now=time.time() + jump)
    # Forward, all that was written is a day old until the next line; back, it is of tomorrow, which is no silence.
    assert at_once.state in ((State.RUNNING, State.NO_HEARTBEAT) if jump > 0 else (State.RUNNING,))
    wait_until(
        lambda: abs(jsonl.read_records(run.metrics)[-1]["time"] - time.time() - jump) < 60, "a line after the jump"
    )
    before = len(jsonl.read_records(run.metrics))
    wait_until(lambda: len(jsonl.read_records(run.metrics)) > before + 20, "lines after the jump")
    assert status(run, now=time.time() + jump).state is State.RUNNING

    view = RunFollower(run)
    view.poll()
    left = view.eta()
    assert left is not None and 100_000 * 0.02 * 0.9 < left < 100_000 * 2
    began = time.monotonic()
    stop(run)
    found = wait_for_end(run)
    assert found.state is State.STOPPED and time.monotonic() - began < 8  # the grace period is no matter of the date
    ended = Exit.read(run)
    assert ended and abs(ended.ended - time.time() - jump) < 60

    # Ids are the time of day: a run of the day before stands below, and is found all the same.
    words = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "run", "v0"]
    clocked = os.environ | {"CLOCK_FILE": str(clock), "LD_PRELOAD": str(library("clock"))}
    subprocess.run(words, env=clocked, check=True, capture_output=True)
    (other,) = set(find_runs(lab)) - {run}
    assert (find_runs(lab)[0] == other) is (jump > 0)
    assert status(other, now=time.time() + jump).state is State.RUNNING


def test_two_apps_on_one_lab_show_the_same_run(lab: Path) -> None:
    words = [sys.executable, "-m", "imgexp_tui", str(lab)]
    first, second = Terminal(words, {}), Terminal(words, {})
    try:
        for app in (first, second):
            app.shows("v0")
            app.shows("Run")
        first.type("r")
        for app in (first, second):
            app.shows("● running")
        (run,) = find_runs(lab)
        second.type("S")
        second.shows("Stop v0?")  # the footer says "Stop" already
        second.type("y")
        for app in (first, second):
            app.shows("■ stopped")
        assert wait_for_end(run).state is State.STOPPED
        first.type("R")
        second.shows("● running")
        assert status(run).attempt == 2
    finally:
        for app in (first, second):
            app.process.kill()
            app.process.wait()
