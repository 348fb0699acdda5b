"""Small real runs of the trainer: requests, pictures, the process itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.settings import defaults
from imgexp_tui.records import lines
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir, create_run_dir
from tests.data.make_images import picture

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


def folder_of_pictures(folder: Path, count: int, classes: Sequence[str] = ()) -> Path:
    """`count` JPEG files, in turn in a sub-folder for each of `classes`."""
    for i in range(count):
        path = folder / classes[i % len(classes)] / f"{i}.jpg" if classes else folder / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    return folder


def new_run(lab: Path, *, gpus: int = 1, **config: Any) -> RunDir:
    """A run that was asked for and not started."""
    run = create_run_dir(lab, "v0")
    settings = defaults() | SMALL | config
    Request(
        uuid=str(uuid.uuid4()),
        run=run.run,
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
    wait_until(lambda: process.poll() is not None or any(m["step"] >= step for m in lines.read(run.metrics)))
    assert process.poll() is None, finish(process)


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stop(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGTERM)
    return finish(process)
