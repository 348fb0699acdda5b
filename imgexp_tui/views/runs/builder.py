"""Turns a followed run into what the screen shows of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from imgexp_tui.records.metrics.fast_follower import QuickView
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.status import State
from imgexp_tui.records.system.stats import measured
from imgexp_tui.text import clean_line
from imgexp_tui.views.charts.curve import Curve
from imgexp_tui.views.runs.model import Bar, Member, Run, Share

CURVES = ("train/loss", "valid/loss", "train/accuracy", "valid/accuracy")
"""What is drawn, in this order."""
_REMARKS = ("warning",)
_READING = "its record is long and being read; until then the curves are drawn from samples of it"


def run_look(view: RunView, curves: tuple[Curve, ...], members: tuple[Member, ...] = ()) -> Run:
    """The run as it stands, and the group that it belongs to; equal ones look the same."""
    state, best = view.status.state, view.best()
    per_epoch = view.plan.get("steps_per_epoch")
    return Run(
        version=view.version,
        run=view.run,
        state=state.value,
        live=state.live,
        resumable=not state.live and state is not State.FINISHED,
        evidence=clean_line(view.status.evidence),
        attempt=view.status.attempt,
        epoch=_whole(view.epoch),
        epochs=view.epochs,
        step=view.step or 0,
        bars=tuple(_bars(view)),
        curves=curves,
        best=(best.metric, best.value, _whole(best.epoch), best.step) if best else None,
        chance=_chance(view),
        steps_per_epoch=per_epoch if isinstance(per_epoch, int) and per_epoch > 0 else None,
        remark=_READING if isinstance(view, QuickView) and view.reading else _remark(view),
        share=_share(view) if state.live else None,
        measured=tuple((clean_line(label), clean_line(text)) for label, text in measured(view)),
        attempts=tuple(view.attempts.items()),
        members=members,
    )


def _bars(view: RunView) -> Iterator[Bar]:
    """What is under way, each with the time left: a download or cache, the epoch, the run."""
    if not view.status.state.live:
        return
    if stopping := _stopping(view):
        yield stopping
    if going := view.progress:
        yield Bar(clean_line(going.what), going.done, going.total, clean_line(going.unit), _left_of_progress(view))
    left, total = view.eta(), view.total_steps
    if epoch := view.epoch_progress():
        done, steps = epoch
        behind = max(1, total - (view.step or 0)) if total else 1
        yield Bar(
            _epoch_of(view, steps), done, steps, "steps", None if left is None else left * (steps - done) / behind
        )
    if total and view.step:
        yield Bar("run", view.step, total, "steps", left)


def _stopping(view: RunView) -> Bar | None:
    """The grace period running out, where the run was asked to stop."""
    kinds = ("stopping", "started", "resumed")
    latest: dict[str, Any] = next((e for e in reversed(view.events) if e.get("kind") in kinds), {})
    grace, moment = latest.get("grace"), latest.get("time")
    if not (isinstance(grace, int | float) and isinstance(moment, int | float)):
        return None
    passed = min(grace, max(0.0, time.time() - moment))
    return Bar("stopping", int(passed), max(1, int(grace)), "s", float(round(grace - passed)))


def _epoch_of(view: RunView, steps: int) -> str:
    """The name of the epoch under way; as wide as that of the last one, so that the bar beside it keeps its place."""
    now = ((view.step or 1) - 1) // steps + 1
    return f"epoch {now:>{len(str(view.epochs))}}/{view.epochs}" if view.epochs else f"epoch {now}"


def _left_of_progress(view: RunView) -> float | None:
    """Seconds, by the pace since the attempt began; None without a total."""
    going, begun = view.progress, view.started
    if going is None or going.total is None or begun is None or going.done <= 0:
        return None
    return max(0.0, (going.time - begun) * (going.total - going.done) / going.done)


def _chance(view: RunView) -> dict[str, float]:
    """As the trainer stated it; where it named one half only, training and validation share it."""
    stated = {k: v for k, v in view.chance.items() if math.isfinite(v)}
    for name, value in list(stated.items()):
        half, _, rest = name.partition("/")
        stated.setdefault(f"{'train' if half == 'valid' else 'valid'}/{rest}", value)
    return stated


def _remark(view: RunView) -> str:
    started = view.started or 0.0
    for event in reversed(view.events):
        moment = event.get("time")
        if event.get("kind") in _REMARKS and isinstance(moment, int | float) and moment >= started:
            return clean_line(str(event.get("message", "")))
    return ""


def _share(view: RunView) -> Share | None:
    line = view.system
    cpu, memory = line.get("tree/cpu_percent"), line.get("tree/memory")
    if not (isinstance(cpu, int | float) and isinstance(memory, int | float)):
        return None
    processes, gpu = line.get("tree/processes"), line.get("tree/gpu_memory")
    # Rounded as it is shown, so that a steady run looks steady.
    return Share(
        cpu=float(round(cpu / 5) * 5),
        memory=float(round(memory / 1e8) * 1e8),
        processes=processes if isinstance(processes, int) else 0,
        gpu_memory=float(round(gpu / 1e8) * 1e8) if isinstance(gpu, int | float) else None,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else int(value)
