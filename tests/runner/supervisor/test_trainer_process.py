"""The shipped trainer under the supervisor: stopped with its data loader workers, and resumed to its end."""

from __future__ import annotations

import os
from pathlib import Path

from imgexp_tui.monitor.proc import descendants
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.status import State
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.runner.control import resume, stop, wait_for_end
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run
from tests.support.training_runs import NOTEBOOK, after_step


def test_a_run_that_is_stopped_killed_and_resumed_does_every_step(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK.format(epochs=30))
    run = launch(load_notebook(tmp_path), "v0")
    request = Request.read(run)
    assert request

    after_step(run, 6)
    stop(run)
    found = wait_for_end(run)
    assert found.exit and (found.state, found.exit.exit_code) == (State.STOPPED, 143), run.log.read_text()
    assert processes_of_run(request.uuid, None) == []

    resume(run)
    after_step(run, 12)
    process = Process.read(run)
    assert process and process.trainer
    os.kill(process.trainer.pid, 9)
    assert wait_for_end(run).state is State.KILLED
    assert processes_of_run(request.uuid, None) == []

    resume(run)
    found = wait_for_end(run)
    assert (found.state, found.attempt) == (State.FINISHED, 3), run.log.read_text()
    view = RunFollower(run)
    view.poll()
    assert list(view.series["train/loss"].steps) == list(range(1, 121))
    assert view.epoch == 30 and len(view.series["valid/loss"].steps) == 30
    assert {"CPU Memory", "Epoch time (train)", "Images per second"} <= dict(measured_stats(view)).keys()


def test_a_killed_worker_fails_the_run_and_says_so(tmp_path: Path) -> None:
    """Also the other workers are gone: they do not mind the SIGTERM by which Python would end them."""
    (tmp_path / "experiments.toml").write_text(NOTEBOOK.format(epochs=30).replace("num_workers = 1", "num_workers = 2"))
    run = launch(load_notebook(tmp_path), "v0")
    request = Request.read(run)
    assert request
    after_step(run, 6)  # of the second epoch: the workers for validation are there too
    process = Process.read(run)
    assert process and process.trainer
    workers = descendants(process.trainer.pid)
    assert len(workers) == 4
    os.kill(workers[0], 9)
    found = wait_for_end(run)
    assert found.exit and (found.state, found.exit.exit_code) == (State.FAILED, 1), run.log.read_text()
    # torch says the one where the signal of the worker's end comes first, the other where it waits for a batch by then.
    said = (f"(pid {workers[0]}) is killed by signal: Killed", f"(pid(s) {workers[0]}) exited unexpectedly")
    assert any(f"DataLoader worker {words}" in found.evidence for words in said), found.evidence
    assert "Traceback" not in run.log.read_text()
    assert processes_of_run(request.uuid, None) == []
    resume(run)
    after_step(run, 10)
    stop(run)
    assert wait_for_end(run).state is State.STOPPED
