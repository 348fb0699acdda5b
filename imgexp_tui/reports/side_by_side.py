"""Compares versions side by side: their settings, the metrics that they reached, the time and memory that they took.

The last values of two runs say little if one trained longer. Each metric is therefore also compared at the same step
and after the same training time: those of the shorter run's last validation. Of two versions, one can be behind at the
same epoch and ahead at the same step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev

from imgexp_tui.notebook.diff import format_value
from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.notebook.schema.settings import SETTINGS
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import (
    DEFAULT_METRICS,
    Judge,
    MetricTable,
    in_list_order,
    is_listed,
)
from imgexp_tui.records.metrics.run_state import Series
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.text import format_duration, format_number


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """One version.

    Attributes:
        runs: runs with the same settings: one, or the seeds that were started together; () where it never ran.
    """

    version: Version
    runs: tuple[RunFollower, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One line of the comparison.

    Attributes:
        cells: a text for each version; "" where it has none.
        best_index: the version with the best value; None where none is best, or the row has no order.
        differs: whether the cells are not all the same.
    """

    label: str
    cells: tuple[str, ...]
    best_index: int | None = None

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    """Lines under one heading."""

    title: str
    rows: tuple[ComparisonRow, ...]


def compare_versions(
    compared: Sequence[ComparedVersion], metrics: MetricTable = DEFAULT_METRICS
) -> list[ComparisonSection]:
    """The comparison of `compared`, part by part; parts that hold nothing are left out.

    Args:
        metrics: the lab's, which say what is better.
    """
    parts = [
        ComparisonSection("settings", tuple(_settings_rows(compared))),
        ComparisonSection("runs", tuple(_run_rows(compared))),
    ]
    parts += _metric_sections(compared, metrics)
    parts += [
        ComparisonSection("measured", tuple(_measured_rows(compared))),
        ComparisonSection("notes", tuple(_note_rows(compared))),
    ]
    return [part for part in parts if part.rows]


def mean_and_deviation(values: Iterable[float]) -> tuple[float, float | None, int] | None:
    """Returns mean, sample standard deviation (None for one value) and count of the finite values; None without any."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return None
    return fmean(finite), stdev(finite) if len(finite) > 1 else None, len(finite)


def value_at_step(follower: RunFollower, metric: str, step: int) -> float | None:
    """Returns the last value of a metric up to and including a step; None where there is none yet."""
    series = follower.series.get(metric)
    return _value_until(series, step) if series else None


def step_after_seconds(follower: RunFollower, seconds: float) -> int | None:
    """Returns the step of the last validation that ended within so many seconds of training; None before the first."""
    i = bisect_right(follower.training_seconds.values, seconds)
    return follower.training_seconds.steps[i - 1] if i else None


def _value_until(series: Series, step: int) -> float | None:
    i = bisect_right(series.steps, step)
    return series.values[i - 1] if i else None


def _settings_rows(compared: Sequence[ComparedVersion]) -> Iterator[ComparisonRow]:
    order = {name: i for i, name in enumerate(SETTINGS)}
    configs = [side.version.config for side in compared]
    names = sorted({name for config in configs for name in config}, key=lambda n: (order.get(n, len(order)), n))
    if any(side.version.command for side in compared):
        yield ComparisonRow(
            "command", tuple(" ".join(side.version.command or ("the shipped trainer",)) for side in compared)
        )
    for name in names:
        yield ComparisonRow(name, tuple(format_value(name, config.get(name)) for config in configs))


def _run_rows(compared: Sequence[ComparedVersion]) -> Iterator[ComparisonRow]:
    if not any(side.runs for side in compared):
        return
    yield ComparisonRow("run", tuple(_run_label(side) for side in compared))
    yield ComparisonRow("state", tuple(_joined_texts(side, lambda view: view.status.state.value) for side in compared))
    yield ComparisonRow("epoch", tuple(_joined_texts(side, _format_epoch) for side in compared))
    yield ComparisonRow(
        "step", tuple(_joined_texts(side, lambda view: f"{view.step:,}" if view.step else "") for side in compared)
    )
    yield ComparisonRow("training time", tuple(_joined_texts(side, _format_training_time) for side in compared))
    yield ComparisonRow("code", tuple(_joined_texts(side, _format_commit) for side in compared))


def _run_label(compared: ComparedVersion) -> str:
    if len(compared.runs) > 1:
        return f"{len(compared.runs)} seeds"
    return compared.runs[0].run_id if compared.runs else "no run"


def _joined_texts(compared: ComparedVersion, describe: Callable[[RunFollower], str]) -> str:
    return ", ".join(dict.fromkeys(text for view in compared.runs if (text := describe(view))))


def _format_epoch(follower: RunFollower) -> str:
    if follower.epoch is None:
        return ""
    return f"{follower.epoch:g}/{follower.planned_epochs}" if follower.planned_epochs else f"{follower.epoch:g}"


def _format_training_time(follower: RunFollower) -> str:
    return format_duration(follower.training_seconds.values[-1]) if follower.training_seconds.values else ""


def _format_commit(follower: RunFollower) -> str:
    git = follower.request.git if follower.request else {}
    sha = str(git.get("sha", ""))[:9]
    return f"{sha} + changes" if sha and git.get("dirty") else sha


def _metric_sections(compared: Sequence[ComparedVersion], metrics: MetricTable) -> Iterator[ComparisonSection]:
    """The metrics that the table lists and all others of validation, those that judge a version first.

    A metric of unknown goal has no best.
    """
    names = {name for side in compared for view in side.runs for name in view.series}
    judges = {side.version.judge: None for side in compared if side.version.judge in names}
    listed = [*judges, *(n for n in in_list_order(names) if is_listed(n) or n.startswith("valid/"))]
    step, seconds = _common_step(compared), _common_time(compared)
    for name in dict.fromkeys(listed):
        goal = metrics[name].goal
        rows = []
        if goal:
            judge = Judge(name, goal)
            best = partial(_best_value, judge=judge)
            rows.append(_metric_row(goal, "best", compared, best, describe_position=_best_describer(judge)))
        rows.append(_metric_row(goal, "last", compared, partial(_last_value, metric=name)))
        if step is not None:
            label = f"at step {step:,}"
            rows.append(_metric_row(goal, label, compared, partial(value_at_step, metric=name, step=step)))
        if seconds is not None:
            label = f"after {format_duration(seconds)}"
            rows.append(_metric_row(goal, label, compared, partial(_value_after, metric=name, seconds=seconds)))
        yield ComparisonSection(name, tuple(row for row in rows if any(row.cells)))


def _metric_row(
    goal: Goal | None,
    label: str,
    compared: Sequence[ComparedVersion],
    value: Callable[[RunFollower], float | None],
    describe_position: Callable[[RunFollower], str] = lambda _: "",
) -> ComparisonRow:
    means = [mean_and_deviation(v for view in side.runs if (v := value(view)) is not None) for side in compared]
    cells = []
    for side, one in zip(compared, means, strict=True):
        if one is None:
            cells.append("not finite" if any(value(view) is not None for view in side.runs) else "")
            continue
        mean, spread, count = one
        over = f" ± {format_number(spread)} ({count})" if spread is not None else ""
        at = describe_position(side.runs[0]) if len(side.runs) == 1 else ""
        cells.append(format_number(mean) + over + at)
    known = [(one[0], i) for i, one in enumerate(means) if one]
    if goal is None or len(known) < 2 or len({mean for mean, _ in known}) == 1:
        return ComparisonRow(label, tuple(cells))
    ahead = min(known) if goal is Goal.LOWER else max(known)
    return ComparisonRow(label, tuple(cells), ahead[1])


def _best_position(follower: RunFollower, judge: Judge) -> int | None:
    series = follower.series.get(judge.metric)
    return judge.best_index(series.values) if series else None


def _best_value(follower: RunFollower, judge: Judge) -> float | None:
    at = _best_position(follower, judge)
    return None if at is None else follower.series[judge.metric].values[at]


def _best_describer(judge: Judge) -> Callable[[RunFollower], str]:
    def place(view: RunFollower) -> str:
        at = _best_position(view, judge)
        if at is None:
            return ""
        step = view.series[judge.metric].steps[at]
        per_epoch = view.plan.get("steps_per_epoch")
        if isinstance(per_epoch, int) and per_epoch > 0:
            return f" (epoch {math.ceil(step / per_epoch)})"
        return f" (step {step:,})"

    return place


def _last_value(follower: RunFollower, metric: str) -> float | None:
    series = follower.series.get(metric)
    return series.last if series else None


def _value_after(follower: RunFollower, metric: str, seconds: float) -> float | None:
    step = step_after_seconds(follower, seconds)
    return None if step is None else value_at_step(follower, metric, step)


def _common_step(compared: Sequence[ComparedVersion]) -> int | None:
    """Returns the step of the last validation that all runs reached; None where all ended there, or one has none."""
    ends = [
        view.training_seconds.steps[-1] if view.training_seconds.steps else None
        for side in compared
        for view in side.runs
    ]
    reached = [end for end in ends if end is not None]
    return min(reached) if len(reached) == len(ends) > 1 and len(set(reached)) > 1 else None


def _common_time(compared: Sequence[ComparedVersion]) -> float | None:
    ends = [
        view.training_seconds.values[-1] if view.training_seconds.values else None
        for side in compared
        for view in side.runs
    ]
    reached = [end for end in ends if end is not None]
    return min(reached) if len(reached) == len(ends) > 1 and min(reached) > 0 else None


def _measured_rows(compared: Sequence[ComparedVersion]) -> Iterator[ComparisonRow]:
    stats = [dict(measured_stats(side.runs[0])) if side.runs else {} for side in compared]
    for label in dict.fromkeys(label for one in stats for label in one):
        yield ComparisonRow(label, tuple(one.get(label, "") for one in stats))


def _note_rows(compared: Sequence[ComparedVersion]) -> Iterator[ComparisonRow]:
    for field in ("summary", "takeaways", "observed"):
        texts = tuple(getattr(side.version, field).strip("\n") for side in compared)
        if any(texts):
            yield ComparisonRow(field, texts)
