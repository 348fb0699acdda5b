"""One run in two processes on the CPU: the same training, stopped, resumed, and robbed of one of them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State
from imgexp_tui.runner.control import resume, wait_for_end
from imgexp_tui.runner.control import stop as stop_run
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run
from imgexp_tui.training.ranks import exit_status
from tests.helpers import wait_until
from tests.support.training_runs import (
    NOTEBOOK,
    after_step,
    event,
    finish,
    folder_of_pictures,
    metrics,
    new_run,
    start,
    stop,
    train,
    wait_for_step,
)

PLAIN = (
    "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n"
    "        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
)
"""An encoder without BatchNorm, whose statistics are each process's own."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of_pictures(tmp_path / "pictures", 60, ["cat", "dog"])


def several(run: RunDir) -> subprocess.Popen[str]:
    return start(run, "imgexp_tui.training.ranks")


def ranks(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_two_processes_train_as_one_does(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLAIN)
    (tmp_path / "pictures" / "cat" / "0.jpg").write_bytes(b"\xff\xd8\xff no more than a head")
    # Of the last batches, in training and in validation, the second process has no image.
    config: dict[str, Any] = {
        "data": str(pictures), "encoder": "mine:Net", "head": "linear", "learning_rate": 0.02, "batch_size": 9,
        "train_samples": 28, "valid_samples": 10, "freeze_epochs": 1, "gradient_clip": 0.2, "num_workers": 1,
        "valid_fraction": 0.4, "cache_images": False,
    }  # fmt: skip
    alone, *_ = train(tmp_path, **config)
    run = new_run(tmp_path, gpus=2, **config)
    code, out, error = finish(several(run))
    assert (code, error) == (0, ""), (out, error)
    assert event(run, "plan")["processes"] == 2
    one, two = metrics(alone), metrics(run)
    assert [line["step"] for line in two] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]
    for expected, found in zip(one, two, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert [line["valid/samples"] for line in two if "valid/samples" in line] == [10, 10]
    assert out.count("epoch 2/2") == 1
    for each in (alone, run):
        (warning,) = (e["message"] for e in jsonl.read_records(each.events) if e["kind"] == "warning")
        assert "cat/0.jpg is skipped" in warning, "by whichever process and worker saw it, and once"
    assert out.count("is skipped") == 1


def test_stopped_and_resumed_they_go_on_as_if_they_had_never_stopped(pictures: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = {"data": str(pictures), "epochs": 3, "schedule": "one-cycle", "dropout": 0.3}
    whole, cut = (new_run(tmp_path, gpus=2, **config) for _ in range(2))
    assert finish(several(whole))[0] == 0
    process = several(cut)
    wait_for_step(cut, 8, process)
    both = ranks(process)
    code, out, error = stop(process)
    assert (code, error, out.splitlines()[-1]) == (143, "", "stopped as asked")
    assert not any(r.is_running() for r in both)
    done = metrics(cut)[-1]["step"]
    assert event(cut, "checkpoint") and done < metrics(whole)[-1]["step"]
    assert finish(several(cut))[0] == 0
    assert metrics(cut) == metrics(whole), "the same to the last bit, on the CPU"


def test_a_process_that_is_killed_takes_the_others_with_it(pictures: Path, tmp_path: Path) -> None:
    run, *_ = train(tmp_path, data=str(pictures), epochs=1, batch_size=20)
    request = Request.read(run)
    assert request
    run.request.unlink()
    replace(request, gpus=2, config=request.config | {"epochs": 1000, "num_workers": 1}).write(run)

    process = several(run)
    wait_for_step(run, 4, process)
    below = psutil.Process(process.pid).children(recursive=True)
    ranks(process)[1].kill()
    code, out, error = finish(process)
    assert (code, error) == (1, "error: process 1 of 2 was killed (SIGKILL); the others were ended\n")
    wait_until(lambda: not any(p.is_running() for p in below), seconds=10)
    assert "this run was done in one process and goes on in 2 processes" in out
    assert "the random numbers of 1 of them are seeded anew" in out


def test_a_loss_that_is_not_finite_ends_all_with_one_sentence(pictures: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path, gpus=2, data=str(pictures), learning_rate=1e30, optimizer="sgd", epochs=5)
    code, _, error = finish(several(run))
    assert code == 1
    assert error.count("\n") == 1 and "lower learning_rate" in error
    assert [e["kind"] for e in jsonl.read_records(run.events)].count("error") == 1


def test_under_the_supervisor_they_are_one_run(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK.format(epochs=4))
    run = launch(load_notebook(tmp_path), "v0", resources={"gpus": 2})
    request = Request.read(run)
    assert request
    after_step(run, 6)
    stop_run(run)
    found = wait_for_end(run)
    assert found.exit and (found.state, found.exit.exit_code) == (State.STOPPED, 143), run.log.read_text()
    assert processes_of_run(request.uuid, None) == []
    assert not [e for e in jsonl.read_records(run.events) if e["kind"] == "warning"], "no process had to be swept up"

    resume(run)
    found = wait_for_end(run)
    assert (found.state, found.attempt) == (State.FINISHED, 2), run.log.read_text()
    assert processes_of_run(request.uuid, None) == []
    view = RunFollower(run)
    view.poll()
    assert list(view.series["train/loss"].steps) == list(range(1, 17))
    assert len(view.series["valid/loss"].steps) == 4
    assert run.log.read_text().count("stopped as asked") == 1


@dataclass
class Ended:
    """A process that did not end with 0."""

    exitcode: int
    error_file_data: dict[str, Any] = field(default_factory=lambda: {"message": "<NONE>"})


def told(text: str, when: float, lost: bool = False) -> dict[str, Any]:
    return {"message": {"message": text, "extraInfo": {}}, "time": when, "lost": lost}


@pytest.mark.parametrize(
    ("failures", "asked", "code", "text"),
    [
        ({}, None, 0, ""),
        ({0: Ended(143), 1: Ended(143)}, signal.SIGTERM, 143, ""),
        # Before there was anything to save: one was not up yet, one waited for it until torchrun lost its patience.
        ({0: Ended(-15), 1: Ended(-9)}, signal.SIGTERM, 143, ""),
        ({0: Ended(1, told("Connection closed", 2, lost=True)), 1: Ended(143)}, None, 143, ""),
        # One died of hunger, and the other took torchrun's SIGTERM for a request.
        ({0: Ended(143), 1: Ended(-9)}, None, 1, "process 1 of 2 was killed (SIGKILL)"),
        ({0: Ended(1, told("error: second", 2)), 1: Ended(1, told("error: first", 1))}, None, 1, "error: first"),
        ({0: Ended(1, told("error: disk full", 2)), 1: Ended(143)}, signal.SIGTERM, 1, "error: disk full"),
        (
            {0: Ended(1, told("a cable", 1, lost=True)), 1: Ended(1, told("a", 2, lost=True))},
            None,
            1,
            "lost each other",
        ),
        ({1: Ended(3)}, None, 1, "process 1 of 2 ended with exit code 3"),
    ],
)
def test_of_many_endings_one_is_told(failures: Mapping[int, Ended], asked: int | None, code: int, text: str) -> None:
    found, said = exit_status(failures, 2, asked)
    assert found == code
    assert text in said if text else not said
