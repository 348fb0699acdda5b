"""Runs that record an AUROC, which rises to .9 and falls again, and a loss whose best is elsewhere."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import create_run_dir
from tests.helpers import write_lines

AUROC = [0.5, 0.7, 0.9, 0.8]
LOSS = [0.4, 0.3, 0.35, 0.2]


def a_judged_run(
    lab: Path,
    version: str = "v0",
    judge: str = "",
    goal: str = "",
    *,
    seed: int = 0,
    group: str = "",
    **series: list[float],
) -> RunFollower:
    """A run of one step an epoch that has ended, polled.

    Args:
        judge, goal: as its record names them.
        series: metric of validation, without `valid/` → its values.
    """
    run = create_run_dir(lab, version)
    Request(
        "u", run.run_id, version, None, {}, [], "command", seed, str(lab), "h", "me", 1.0,
        group=group, judge=judge, judge_goal=goal,
    ).write(run)  # fmt: skip
    count = max(map(len, series.values()))
    rows = [
        {"step": i + 1, "epoch": i + 1, "time": 2.0 + i, **{f"valid/{name}": s[i] for name, s in series.items()}}
        for i in range(count)
    ]
    write_lines(run.metrics, rows)
    write_lines(run.events, [{"kind": "plan", "time": 1.0, "epochs": count, "steps_per_epoch": 1}])
    Process("u", 1, None, None, 1.0).write(run)
    Exit("u", 1, 0, None, "finished", "finished", 9.0).write(run)
    follower = RunFollower(run)
    follower.poll()
    return follower
