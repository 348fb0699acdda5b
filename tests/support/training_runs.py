"""Small real runs of the trainer: requests, pictures, the process itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.schema.settings import default_settings
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir, create_run_dir
from tests.data.make_images import picture
from tests.helpers import wait_until

TIMES = ("time", "images_per_second")
SMALL: dict[str, Any] = {
    "encoder": "small_conv",
    "head": "fastai",
    "image_size": 32,
    "batch_size": 8,
    "epochs": 2,
    "learning_rate": 1e-3,
    "device": "cpu",
}
"""The smallest model and images, a second an epoch at most."""
NOTEBOOK = """
[defaults]
data = "shapes"
image_size = 32
encoder = "test_efficientnet"
train_samples = 64
valid_samples = 32
batch_size = 16
num_workers = 1
cache_images = false
epochs = {epochs}
[versions.v0]
"""
"""Of a lab whose training loads its images in a process of its own."""


def folder_of_pictures(folder: Path, count: int, classes: Sequence[str] = ()) -> Path:
    """`count` JPEG files, in turn in a sub-folder for each of `classes`."""
    for i in range(count):
        path = folder / classes[i % len(classes)] / f"{i}.jpg" if classes else folder / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    return folder


def new_run(lab: Path, *, gpus: int = 1, judge: tuple[str, str] = ("", ""), **config: Any) -> RunDir:
    """A run that was asked for and not started; `judge` is a metric with its goal."""
    run = create_run_dir(lab, "v0")
    settings = default_settings() | SMALL | config
    Request(
        uuid=str(uuid.uuid4()),
        run=run.run_id,
        version="v0",
        base=None,
        config=settings,
        argv=[],
        trainer="shipped",
        seed=int(settings["seed"]),
        lab=str(lab),
        host="here",
        user="me",
        created=time.time(),
        gpus=gpus,
        judge=judge[0],
        judge_goal=judge[1],
    ).write(run)
    return run


def start(run: RunDir, module: str = "imgexp_tui.training", **environment: str) -> subprocess.Popen[str]:
    """The trainer's process, as the runner starts it. No weight hub is reached."""
    # A port at which nobody listens, and a cache of its own: the same with and without a network.
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(run.path / "hub")}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(run.path)],
        cwd=run.path.parent.parent.parent,
        env=os.environ | offline | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def wait_for_step(run: RunDir, step: int, process: subprocess.Popen[str]) -> None:
    """Return when the record has that step."""
    wait_until(
        lambda: process.poll() is not None or any(m["step"] >= step for m in jsonl.read_records(run.metrics)),
        seconds=60,
    )
    assert process.poll() is None, finish(process)


def stop(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGTERM)
    return finish(process)


def train(lab: Path, code: int = 0, **config: Any) -> tuple[RunDir, str, str]:
    """A training to its end: its run, what it said, and what it complained about."""
    run = new_run(lab, **config)
    ended, out, error = finish(start(run))
    assert ended == code, (out, error)
    assert "Traceback" not in error
    return run, out, error


def metrics(run: RunDir) -> list[dict[str, Any]]:
    """The record without what the clock says."""
    return [{k: v for k, v in line.items() if not k.startswith(TIMES)} for line in jsonl.read_records(run.metrics)]


def event(run: RunDir, kind: str) -> dict[str, Any]:
    return next(e for e in jsonl.read_records(run.events) if e["kind"] == kind)


def after_step(run: RunDir, step: int) -> None:
    view, deadline = RunFollower(run), time.monotonic() + 120
    while (view.step or 0) < step:
        view.poll()
        assert view.status.state.live and time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.02)
