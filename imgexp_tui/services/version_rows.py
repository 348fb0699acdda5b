"""Builds the row of the version table from the runs of a version; and holds those runs while they are followed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from imgexp_tui.records.metrics.follower import JUDGED_METRICS, Best, RunFollower
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State
from imgexp_tui.services.log_tail import LogTail
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs.model import GroupMember, RunSummary

_SPARKLINE_POINTS = 24
_ENDED_STATES = {state.value for state in State if not state.live}


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What is kept of an older run that has ended: when it was last started, its best, and its part in a group."""

    stamp: int
    best: Best | None
    group: str
    member: GroupMember


@dataclass(slots=True)
class VersionRuns:
    """The runs of one version.

    Attributes:
        run_dirs: newest first.
        unread: runs that were not read yet.
        followers: run id → the newest run and every live one.
        ended: run id → an older run that has ended.
        displayed: the newest run that trains, or else the newest that waits, or else the newest.
        log: the end of the displayed run's log.
        cached_summary: of the displayed run, where it is not live and nothing has changed since.
        resume_check_index: the older run that was checked last for being resumed.
    """

    stamp: int = -1
    run_dirs: list[RunDir] = field(default_factory=list)
    unread: list[RunDir] = field(default_factory=list)
    followers: dict[str, RunFollower] = field(default_factory=dict)
    ended: dict[str, EndedRun] = field(default_factory=dict)
    displayed: RunFollower | None = None
    curves: dict[str, CurveBuilder] = field(default_factory=dict)
    log: LogTail | None = None
    cached_summary: RunSummary | None = None
    resume_check_index: int = 0
    is_polled: bool = False


def retire_ended(runs: VersionRuns, follower: RunFollower) -> None:
    """Stop following an older run that has ended; its best value is kept."""
    if follower.run_id != runs.run_dirs[0].run_id and not follower.status.state.live and not follower.is_partial:
        group = follower.request.group if follower.request else ""
        runs.ended[follower.run_id] = EndedRun(
            modified_ns(follower.run_dir.process), follower.best(), group, _group_member(follower)
        )
        del runs.followers[follower.run_id]


def group_members(runs: VersionRuns, follower: RunFollower) -> tuple[GroupMember, ...]:
    """The runs that were started together with this one for their seeds, by seed; () for a single run."""
    group = follower.request.group if follower.request else ""
    if not group:
        return ()
    ended = (one.member for one in runs.ended.values() if one.group == group)
    live = (_group_member(one) for one in runs.followers.values() if one.request and one.request.group == group)
    return tuple(sorted((*ended, *live), key=lambda one: (one.seed, one.run)))


def _group_member(follower: RunFollower) -> GroupMember:
    best = follower.best()
    seed = follower.request.seed if follower.request else 0
    return GroupMember(follower.run_id, seed, follower.status.state.value, best.value if best else None)


def build_row(runs: VersionRuns) -> VersionRow:
    view = runs.displayed
    if view is None:
        return VersionRow()
    own = view.best()
    others = _lowest_best([b for b in _other_bests(runs, view) if b])
    best = own or others
    of_all = _lowest_best([b for b in (own, others) if b])
    states = [followed.status.state for followed in runs.followers.values()]
    members = group_members(runs, view)
    return VersionRow(
        state=view.status.state.value,
        live=sum(state.live for state in states),
        queued=states.count(State.QUEUED),
        seed_progress=(sum(one.state in _ENDED_STATES for one in members), len(members)) if len(members) > 1 else None,
        seed_stats=_seed_statistics(members),
        metric=best.metric if best else "",
        best=best.value if best else None,
        accuracy=_accuracy_at(best),
        is_from_other_run=own is None and best is not None,
        best_metrics=tuple(of_all.metric_values.items()) if of_all else (),
        epoch=None if view.epoch is None or not math.isfinite(view.epoch) else int(view.epoch),
        epochs=view.planned_epochs,
        sparkline=_thin_curve(view),
        runs=len(runs.run_dirs),
        displayed_run=view.run_id,
    )


def _seed_statistics(members: tuple[GroupMember, ...]) -> tuple[float, float, int] | None:
    values = [one.best for one in members if one.best is not None]
    return (fmean(values), stdev(values), len(values)) if len(values) > 1 else None


def _other_bests(runs: VersionRuns, follower: RunFollower) -> Iterator[Best | None]:
    """The best of each run but the displayed one."""
    yield from (one.best for one in runs.ended.values())
    yield from (followed.best() for followed in runs.followers.values() if followed is not follower)


def _lowest_best(bests: list[Best]) -> Best | None:
    return min(bests, key=lambda best: (JUDGED_METRICS.index(best.metric), best.value), default=None)


def _accuracy_at(best: Best | None) -> float | None:
    if best is None:
        return None
    beside = best.other_metrics.get(best.metric.replace("loss", "accuracy"))
    return beside if beside is not None and math.isfinite(beside) else None


def _thin_curve(follower: RunFollower) -> tuple[float, ...]:
    """The curve of the first judged metric in few values, each the highest of its stretch."""
    series = next((s for metric in JUDGED_METRICS if (s := follower.series.get(metric)) and len(s.values) > 1), None)
    if series is None:
        return ()
    values, count = series.values, len(series.values)
    if count <= _SPARKLINE_POINTS:
        return tuple(values)
    power = 1 << max(0, (-(-count // _SPARKLINE_POINTS) - 1).bit_length())
    return tuple(_highest(values[i : i + power]) for i in range(0, count, power))


def _highest(values: Iterable[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return max(finite, default=math.nan)


def modified_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
