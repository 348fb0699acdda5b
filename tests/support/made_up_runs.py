"""Made-up runs for the tests of findings: real files with the few numbers that a rule looks at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imgexp_tui.findings.engine import Engine
from imgexp_tui.findings.model import Finding
from imgexp_tui.findings.run_data import ComparisonRuns
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.rundir import RunDir
from tests.helpers import write_lines

CHANCE = {"train/loss": 0.6931, "valid/loss": 0.6931, "valid/accuracy": 0.5}
PER_EPOCH = 10
"""Steps in an epoch."""


def made_up(
    lab: Path,
    *,
    epochs: Mapping[str, Sequence[float]] | None = None,
    steps: Mapping[str, Sequence[float]] | None = None,
    per_epoch: int = PER_EPOCH,
    plan: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    events: Sequence[Mapping[str, Any]] = (),
    system: Mapping[str, Sequence[float | str]] | None = None,
    cause: str = "finished",
    heartbeat: float = 1e9,
    version: str = "v1",
    base: str | None = None,
    seed: int = 0,
    group: str = "",
    trainer: str = "shipped",
    argv: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    judge: tuple[str, str] = ("", ""),
) -> RunFollower:
    """A run, polled.

    Args:
        epochs: metric → its values at the ends of epochs.
        steps: metric → its values at steps 1, 2, ….
        system: series → its samples, one a second.
        cause: how it ended; "" while this process carries it on.
        judge: the metric that judges it, and its goal, as its record names them.
    """
    folder = lab / "runs" / version
    folder.mkdir(parents=True, exist_ok=True)
    run = RunDir(folder / f"20260101-0000{len(list(folder.iterdir())):02d}-abcdef")
    run.path.mkdir()
    epochs, steps = epochs or {}, steps or {}
    count = max((len(values) for values in epochs.values()), default=0)
    settings = {"epochs": count or 1, "batch_size": 64, **(config or {})}
    uuid = f"{version}/{run.run_id}"
    Request(
        uuid, run.run_id, version, base, settings, list(argv), trainer, seed, str(lab), "here", "me", 1.0,
        dict(overrides or {}), heartbeat=heartbeat, group=group, judge=judge[0], judge_goal=judge[1],
    ).write(run)  # fmt: skip
    plan_event = {
        "kind": "plan",
        "time": 0.0,
        "epochs": settings["epochs"],
        "steps_per_epoch": per_epoch,
        "chance": CHANCE,
    }
    write_lines(run.events, [plan_event | dict(plan or {}), *events])
    write_lines(run.metrics, _metrics(epochs, steps, per_epoch))
    samples = system or {}
    length = max((len(values) for values in samples.values()), default=0)
    write_lines(
        run.system, [{"time": float(i), **{n: v[i] for n, v in samples.items() if i < len(v)}} for i in range(length)]
    )
    Process(uuid, 1, None, identity_of(os.getpid()), 1.0).write(run)
    if cause:
        Exit(uuid, 1, 0 if cause == "finished" else 1, None, cause, "made up", 9.0).write(run)
    view = RunFollower(run)
    view.poll()
    return view


def _metrics(
    epochs: Mapping[str, Sequence[float]], steps: Mapping[str, Sequence[float]], per_epoch: int
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    last = max([len(v) for v in steps.values()] + [per_epoch * len(v) for v in epochs.values()], default=0)
    for step in range(1, last + 1):
        epoch, at = (
            (step - 1) // per_epoch + 1,
            {"step": step, "epoch": (step - 1) // per_epoch + 1, "time": float(step)},
        )
        if found := {n: v[step - 1] for n, v in steps.items() if step <= len(v)}:
            lines.append(at | found)
        if step % per_epoch == 0 and (found := {n: v[epoch - 1] for n, v in epochs.items() if epoch <= len(v)}):
            lines.append(at | found)
    return lines


def found_in(view: RunFollower, name: str, relatives: ComparisonRuns | None = None) -> Finding | None:
    """What the rule of that name finds."""
    engine = Engine(view, load_comparison_runs=lambda: relatives or ComparisonRuns())
    return next((one for one in engine.evaluate(force=True) if one.name == name), None)
