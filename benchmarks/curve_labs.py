"""Labs with runs of any length, written as the shipped trainer writes them, and a trainer that only logs."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

import orjson

from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.rundir import RunDir

SPIKE = 9.5
"""Where the one value stands that thinning would lose, and how high; all others lie below 3."""

TRAINER = """
import math, os, sys, time
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.rundir import RunDir
from pathlib import Path
run, pace, most = RunDir(Path(os.environ["IMGEXP_RUN_DIR"])), float(sys.argv[1]), int(sys.argv[2])
LineWriter(run.events).write({"kind": "plan", "time": time.time(), "epochs": 100, "steps_per_epoch": 1000})
writer = LineWriter(run.metrics)
due = time.monotonic()
for step in range(1, most + 1):
    half = {"loss": 2 / step ** 0.3 + 0.1 * math.sin(step), "accuracy": 1 - 1 / step ** 0.3}
    line = {f"{name}/{key}": value for name in ("train", "valid") for key, value in half.items()}
    writer.write({"step": step, "epoch": 1, "time": time.time(), **line})
    due += pace
    time.sleep(max(0.0, due - time.monotonic()))
time.sleep(600)
"""
"""Four metrics each step; takes the seconds between two steps and how many there are, and stays open after the last."""


def notebook(lab: Path, versions: int, command: list[str] | None = None) -> None:
    """Write `experiments.toml` with so many versions."""
    lab.mkdir(parents=True, exist_ok=True)
    told = f"command = {orjson.dumps(command).decode()}\n" if command else ""
    parts = [f'[versions.v{i}]\nsummary = "Version {i} of many"\n{told}' for i in range(versions)]
    (lab / "experiments.toml").write_text("[lab]\ntitle = 'curves'\n" + "".join(parts))


def finished_run(lab: Path, version: str, steps: int, *, spike: int = 0) -> RunDir:
    """A run with two metrics a step that has ended; at the step `spike` it has one."""
    run = RunDir(lab / "runs" / version / "20260101-000000-abcdef")
    run.path.mkdir(parents=True)
    config = {"epochs": 10, "batch_size": 64}
    Request("u", run.run_id, version, None, config, [], "shipped", 7, str(lab), "h", "me", 1.0, {"epochs": 10}).write(
        run
    )
    with run.metrics.open("wb") as file:
        for first in range(1, steps + 1, 10_000):
            lines = [_line(step, steps, spike=spike) for step in range(first, min(steps + 1, first + 10_000))]
            file.write(b"".join(lines))
    Process("u", 1, None, None, 1.0).write(run)
    Exit("u", 1, 0, "", "finished", "finished", 9.0).write(run)
    return run


def _line(step: int, steps: int, *, spike: int) -> bytes:
    loss = SPIKE if step == spike else 2 / step**0.2 + 0.1 * math.sin(step / 7)
    record = {"step": step, "epoch": 10 * (step - 1) // steps + 1, "time": 1e9 + step / 100, "train/loss": loss}
    return orjson.dumps(record | {"train/accuracy": 1 - 1 / step**0.2}, option=orjson.OPT_APPEND_NEWLINE)


def trainer(folder: Path, pace: float, steps: int) -> list[str]:
    """The command of a run that logs."""
    script = folder / "logs.py"
    script.write_text(TRAINER)
    return [sys.executable, str(script), str(pace), str(steps)]


def environment(folder: Path) -> None:
    """Let everything that the app keeps outside of a lab lie in a folder."""
    os.environ |= {"XDG_STATE_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "TERM": "xterm-256color"}
    root = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    # Else each start would compile all of ours, and nothing of the libraries of the bare app.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    time.tzset()
