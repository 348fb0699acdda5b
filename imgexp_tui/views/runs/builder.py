"""Builds the summary of a run for the screen from its follower."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import Judge, chance_value, stated_judge
from imgexp_tui.records.status import State
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.text import clean_line
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.runs.model import GroupMember, ProgressItem, ResourceUsage, RunSummary

_REMARK_KINDS = ("warning",)
_READING_REMARK = "its record is long and being read; until then the curves are drawn from samples of it"


def summarize_run(
    follower: RunFollower, curves: tuple[Curve, ...], judges: Sequence[Judge], members: tuple[GroupMember, ...] = ()
) -> RunSummary:
    """The summary of a run at this moment; equal summaries draw the same.

    Args:
        judges: the metrics that judge the version's runs, in order of preference.
        members: the runs of its seed group, itself included; () without a group.
    """
    state, best = follower.status.state, follower.best(judges)
    per_epoch, chances = follower.plan.get("steps_per_epoch"), follower.plan.get("chance")
    return RunSummary(
        version=follower.version,
        run=follower.run_id,
        state=state.value,
        live=state.live,
        resumable=not state.live and state is not State.FINISHED,
        evidence=clean_line(follower.status.evidence),
        attempt=follower.status.attempt,
        epoch=_finite_int(follower.epoch),
        epochs=follower.planned_epochs,
        step=follower.step or 0,
        progress_items=tuple(_progress_items(follower)),
        curves=curves,
        best=(best.metric, best.value, _finite_int(best.epoch), best.step) if best else None,
        chance={c.metric: value for c in curves if (value := chance_value(chances, c.metric)) is not None},
        steps_per_epoch=per_epoch if isinstance(per_epoch, int) and per_epoch > 0 else None,
        latest_warning=_READING_REMARK if follower.is_partial else _latest_warning(follower),
        resource_usage=_resource_usage(follower) if state.live else None,
        measured=tuple((clean_line(label), clean_line(text)) for label, text in measured_stats(follower)),
        attempt_starts=tuple(follower.attempt_starts.items()),
        members=members,
        judge=stated_judge(judges),
    )


def _progress_items(follower: RunFollower) -> Iterator[ProgressItem]:
    """What is in progress, each with the time left: a stop, a download or cache, the epoch, the run."""
    if not follower.status.state.live:
        return
    if stopping := _stopping_progress(follower):
        yield stopping
    if going := follower.progress:
        yield ProgressItem(
            clean_line(going.what), going.done, going.total, clean_line(going.unit), _progress_seconds_left(follower)
        )
    left, total = follower.eta(), follower.total_steps
    if epoch := follower.epoch_progress():
        done, steps = epoch
        behind = max(1, total - (follower.step or 0)) if total else 1
        yield ProgressItem(
            _epoch_label(follower, steps),
            done,
            steps,
            "steps",
            None if left is None else left * (steps - done) / behind,
        )
    if total and follower.step:
        yield ProgressItem("run", follower.step, total, "steps", left)


def _stopping_progress(follower: RunFollower) -> ProgressItem | None:
    """The progress of the grace period, if the run was asked to stop."""
    kinds = ("stopping", "started", "resumed")
    latest: dict[str, Any] = next((e for e in reversed(follower.events) if e.get("kind") in kinds), {})
    grace, moment = latest.get("grace"), latest.get("time")
    if not (isinstance(grace, int | float) and isinstance(moment, int | float)):
        return None
    passed = min(grace, max(0.0, time.time() - moment))
    return ProgressItem("stopping", int(passed), max(1, int(grace)), "s", float(round(grace - passed)))


def _epoch_label(follower: RunFollower, steps: int) -> str:
    """The name of the current epoch, padded to the width of the last epoch's name, so the bar next to it stays put."""
    now = ((follower.step or 1) - 1) // steps + 1
    return (
        f"epoch {now:>{len(str(follower.planned_epochs))}}/{follower.planned_epochs}"
        if follower.planned_epochs
        else f"epoch {now}"
    )


def _progress_seconds_left(follower: RunFollower) -> float | None:
    """Seconds left at the average speed since the attempt began; None without a total."""
    progress, started = follower.progress, follower.attempt_started_at
    if progress is None or progress.total is None or started is None or progress.done <= 0:
        return None
    return max(0.0, (progress.time - started) * (progress.total - progress.done) / progress.done)


def _latest_warning(follower: RunFollower) -> str:
    started = follower.attempt_started_at or 0.0
    for event in reversed(follower.events):
        moment = event.get("time")
        if event.get("kind") in _REMARK_KINDS and isinstance(moment, int | float) and moment >= started:
            return clean_line(str(event.get("message", "")))
    return ""


def _resource_usage(follower: RunFollower) -> ResourceUsage | None:
    line = follower.system
    cpu, memory = line.get("tree/cpu_percent"), line.get("tree/memory")
    if not (isinstance(cpu, int | float) and isinstance(memory, int | float)):
        return None
    processes, gpu = line.get("tree/processes"), line.get("tree/gpu_memory")
    # Rounded as displayed, so a steady run does not redraw.
    return ResourceUsage(
        cpu=float(round(cpu / 5) * 5),
        memory=float(round(memory / 1e8) * 1e8),
        processes=processes if isinstance(processes, int) else 0,
        gpu_memory=float(round(gpu / 1e8) * 1e8) if isinstance(gpu, int | float) else None,
    )


def _finite_int(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else int(value)
