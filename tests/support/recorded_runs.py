"""Runs for the tests of reports: run directories with real files, written as a trainer writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.follow import RunView
from imgexp_tui.records.lines import LineWriter
from imgexp_tui.records.rundir import RunDir

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
) -> RunView:
    """A run of two steps an epoch: one line a step and one an epoch, with the validation losses that are given."""
    path = RunDir(lab / "runs" / version / run)
    path.path.mkdir(parents=True)
    config = {"epochs": 2, "batch_size": 64, "data": "shapes"}
    Request(
        "u", run, version, None, config, [], "shipped", seed, str(lab), "host", "me", 1.0, {"epochs": 2}, group=group
    ).write(path)
    _lines(path.events, events)
    written: list[dict[str, Any]] = []
    for epoch, loss in enumerate(losses, 1):
        written.append({"step": 2 * epoch - 1, "epoch": epoch, "time": float(epoch), "train/loss": 0.5})
        values = {"valid/loss": loss, "valid/accuracy": 1 - loss}
        written.append({"step": 2 * epoch, "epoch": epoch, "time": epoch + 0.5, **values})
    _lines(path.metrics, written)
    if ended:
        Process("u", 1, None, None, 1.0).write(path)
        Exit("u", 1, None, "SIGKILL", "killed", "killed by SIGKILL", 9.0).write(path)
    view = RunView(path)
    view.poll()
    return view


def _lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    writer = LineWriter(path)
    for record in records:
        writer.write(record)
    writer.close()
