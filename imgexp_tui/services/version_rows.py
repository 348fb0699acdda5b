"""Builds the row of the version table from the runs of a version; and holds those runs while they are followed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from imgexp_tui.paths import modified_ns
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, Judge, MetricTable
from imgexp_tui.records.metrics.run_state import Best
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
        judges: the metrics that judge its runs, in order of preference.
        alerts_taken: ids of ended runs that are read again, but whose alerts were reported.
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
    judges: tuple[Judge, ...] = DEFAULT_METRICS.judges()
    alerts_taken: set[str] = field(default_factory=set)


def retire_ended(runs: VersionRuns, follower: RunFollower) -> None:
    """Stop following an older run that has ended; its best value is kept."""
    if follower.run_id != runs.run_dirs[0].run_id and not follower.status.state.live and not follower.is_partial:
        group = follower.request.group if follower.request else ""
        runs.ended[follower.run_id] = EndedRun(
            modified_ns(follower.run_dir.process), follower.best(runs.judges), group, _group_member(runs, follower)
        )
        del runs.followers[follower.run_id]


def group_members(runs: VersionRuns, follower: RunFollower) -> tuple[GroupMember, ...]:
    """The runs that were started together with this one for their seeds, by seed; () for a single run."""
    group = follower.request.group if follower.request else ""
    if not group:
        return ()
    ended = (one.member for one in runs.ended.values() if one.group == group)
    live = (_group_member(runs, one) for one in runs.followers.values() if one.request and one.request.group == group)
    return tuple(sorted((*ended, *live), key=lambda one: (one.seed, one.run)))


def _group_member(runs: VersionRuns, follower: RunFollower) -> GroupMember:
    best = follower.best(runs.judges)
    seed = follower.request.seed if follower.request else 0
    return GroupMember(follower.run_id, seed, follower.status.state.value, best.value if best else None)


def build_row(runs: VersionRuns, metrics: MetricTable = DEFAULT_METRICS) -> VersionRow:
    """The row of the displayed run; an empty one without.

    Args:
        metrics: the lab's table, which says how values are written.
    """
    view = runs.displayed
    if view is None:
        return VersionRow()
    own = view.best(runs.judges)
    other_best = _best_of([b for b in _other_bests(runs, view) if b])
    best = own or other_best
    of_all = _best_of([b for b in (own, other_best) if b])
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
        judge=runs.judges[0].metric,
        goal=runs.judges[0].goal.value,
        unit=metrics[best.metric].unit.value if best else "",
        accuracy=best.accuracy if best else None,
        is_from_other_run=own is None and best is not None,
        best_metrics=tuple(of_all.metric_values.items()) if of_all else (),
        epoch=None if view.epoch is None or not math.isfinite(view.epoch) else int(view.epoch),
        epochs=view.planned_epochs,
        sparkline=_thin_curve(view, runs.judges),
        runs=len(runs.run_dirs),
        displayed_run=view.run_id,
    )


def _seed_statistics(members: tuple[GroupMember, ...]) -> tuple[float, float, int] | None:
    values = [one.best for one in members if one.best is not None]
    return (fmean(values), stdev(values), len(values)) if len(values) > 1 else None


def _other_bests(runs: VersionRuns, follower: RunFollower) -> Iterator[Best | None]:
    """The best of each run but the displayed one."""
    yield from (one.best for one in runs.ended.values())
    yield from (followed.best(runs.judges) for followed in runs.followers.values() if followed is not follower)


def _best_of(bests: list[Best]) -> Best | None:
    return min(bests, key=lambda best: best.rank, default=None)


def _thin_curve(follower: RunFollower, judges: Sequence[Judge]) -> tuple[float, ...]:
    """The curve of the first judging metric in few values, each the highest of its stretch."""
    candidates = (follower.series.get(judge.metric) for judge in judges)
    series = next((one for one in candidates if one and len(one.values) > 1), None)
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
