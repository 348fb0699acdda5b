"""Runs for the tests of reports: run directories with real files, written as a trainer writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir
from tests.helpers import write_lines

PLAN = {"kind": "plan", "time": 0.0, "steps_per_epoch": 2, "chance": {"valid/loss": 0.6931, "valid/accuracy": 0.5}}


def a_run(
    lab: Path,
    version: str,
    run: str,
    losses: Sequence[float],
    *,
    ended: bool = True,
    group: str = "",
    seed: int = 7,
    events: Sequence[dict[str, Any]] = (),
) -> RunFollower:
    """A run of two steps an epoch: one line a step and one an epoch, with the validation losses that are given."""
    path = RunDir(lab / "runs" / version / run)
    path.path.mkdir(parents=True)
    config = {"epochs": 2, "batch_size": 64, "data": "shapes"}
    Request(
        "u", run, version, None, config, [], "shipped", seed, str(lab), "host", "me", 1.0, {"epochs": 2}, group=group
    ).write(path)
    write_lines(path.events, events)
    written: list[dict[str, Any]] = []
    for epoch, loss in enumerate(losses, 1):
        written.append({"step": 2 * epoch - 1, "epoch": epoch, "time": float(epoch), "train/loss": 0.5})
        values = {"valid/loss": loss, "valid/accuracy": 1 - loss}
        written.append({"step": 2 * epoch, "epoch": epoch, "time": epoch + 0.5, **values})
    write_lines(path.metrics, written)
    if ended:
        Process("u", 1, None, None, 1.0).write(path)
        Exit("u", 1, None, "SIGKILL", "killed", "killed by SIGKILL", 9.0).write(path)
    view = RunFollower(path)
    view.poll()
    return view


def a_run_of(
    lab: Path,
    version: str,
    run: str,
    steps: int,
    loss: Callable[[int], float],
    *,
    per: int = 10,
    group: str = "",
    seed: int = 7,
    ended: bool = True,
    more: Callable[[int], dict[str, Any]] = lambda _: {},
    events: tuple[dict[str, Any], ...] = (),
) -> RunDir:
    """A run with a line a step and a validation an epoch."""
    plan = PLAN | {"steps_per_epoch": per}
    a_run(lab, version, run, [], group=group, seed=seed, events=[plan, *events], ended=ended)
    found = RunDir(lab / "runs" / version / run)
    write_steps(found, 1, steps, loss, per, more)
    return found


def write_steps(
    run: RunDir,
    first: int,
    last: int,
    loss: Callable[[int], float],
    per: int = 10,
    more: Callable[[int], dict[str, Any]] = lambda _: {},
) -> None:
    """More of its lines, from one step to another."""
    writer = LineWriter(run.metrics)
    for s in range(first, last + 1):
        line: dict[str, Any] = {"step": s, "epoch": (s - 1) // per + 1, "time": 1000.0 + s, "train/loss": loss(s)}
        if s % per == 0:
            line |= {"valid/loss": loss(s), "valid/accuracy": 1 - loss(s) / 2}
        writer.write(line | more(s))
    writer.close()
