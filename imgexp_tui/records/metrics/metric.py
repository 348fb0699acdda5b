"""The one table of metrics: goal, unit, place on screens, and which metric judges a run.

To add a metric, add an entry to `_ENTRIES`; to give a family of names a goal, add a word to
`notebook/schema/metrics.py`. Bests, curves, tables, exports, findings and alerts all ask this module. `[lab.metrics]`
of a notebook overrides the goal and the unit of any metric.

A metric of unknown goal has no best: figures for notes, charts and comparisons show none. Only a judge needs a goal;
`check` reports one whose goal is not known, and `DEFAULT_UNKNOWN_GOAL` stands in for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgexp_tui.notebook.schema.metrics import (
    DEFAULT_JUDGES,
    Goal,
    MetricOverrides,
    Unit,
    find_override,
    goal_from_name,
    known_goal,
)
from imgexp_tui.text import format_duration, format_memory, format_number

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.records.documents import Request

DEFAULT_UNKNOWN_GOAL = Goal.LOWER
"""The goal that a judge of unknown goal is given, because a choice must be made."""
_LOSS_PART = r"loss(?![^\W\d_])"  # compiled at first use: the first frame needs none of these


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as it is recorded, such as `valid/loss`.
        goal: which values are better; None where that is not known.
        unit: how values are written.
        list_order: its place in comparisons and among the figures for notes; smaller comes first.
        chart_order: its place among charts.
        panel_order: its place among the curves of a run's panel; None where it is not drawn there.
    """

    name: str
    goal: Goal | None = None
    unit: Unit = Unit.NUMBER
    list_order: int = 99
    chart_order: int = 99
    panel_order: int | None = None

    @property
    def goal_or_lower(self) -> Goal:
        """The goal; lower where it is not known and a choice must be made."""
        return self.goal or DEFAULT_UNKNOWN_GOAL

    @property
    def half(self) -> str:
        """`train` or `valid`, or whatever stands before the first slash; the whole name without a slash."""
        return self.name.partition("/")[0]

    @property
    def measure(self) -> str:
        """The name without its half, such as `loss`; "" for a name without a slash."""
        return self.name.partition("/")[2]

    @property
    def is_loss(self) -> bool:
        """Whether a part of the name ends in "loss": such a metric is never infinite, and is drawn first."""
        return re.search(_LOSS_PART, self.name.lower()) is not None

    def format_value(self, value: float, decimals: int = 1) -> str:
        """A value as people write it.

        Args:
            decimals: of a percentage.
        """
        if self.unit is Unit.NUMBER or not math.isfinite(value):
            return format_number(value)
        if self.unit is Unit.PERCENT:
            return f"{value * 100:.{decimals}f} %"
        if self.unit is Unit.SECONDS:
            return format_duration(value) if value >= 10 else f"{format_number(value)}s"
        return format_memory(value) if self.unit is Unit.BYTES else _format_si(value)

    def format_share(self, value: float, digits: str) -> str | None:
        """A percentage with the digits of a format such as `.0f`; None if the metric is not in percent."""
        return f"{value * 100:{digits}} %" if self.unit is Unit.PERCENT else None


_ENTRIES = {
    metric.name: metric
    for metric in (
        Metric("valid/loss", Goal.LOWER, list_order=0, chart_order=0, panel_order=1),
        Metric("valid/accuracy", Goal.HIGHER, Unit.PERCENT, list_order=1, chart_order=2, panel_order=3),
        Metric("train/epoch_loss", Goal.LOWER, list_order=2),
        Metric("train/epoch_accuracy", Goal.HIGHER, Unit.PERCENT, list_order=3),
        Metric("train/loss", Goal.LOWER, list_order=4, chart_order=1, panel_order=0),
        Metric("train/accuracy", Goal.HIGHER, Unit.PERCENT, list_order=5, chart_order=3, panel_order=2),
    )
}


@dataclass(frozen=True, slots=True)
class Judge:
    """A metric that decides which epoch and which run is the best, with its goal."""

    metric: str
    goal: Goal

    def best_index(self, values: Sequence[float]) -> int | None:
        """The index of the best finite value, the first of equal ones; None without a finite value."""
        return best_index(values, self.goal)


class MetricTable:
    """The table with what one lab's notebook says of metrics.

    Args:
        overrides: `[lab.metrics]`, as the notebook has checked it.
    """

    def __init__(self, overrides: MetricOverrides | None = None) -> None:
        self._overrides = overrides or {}
        self._known: dict[str, Metric] = {}
        self._known_judges: dict[str, tuple[Judge, ...]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MetricTable) and self._overrides == other._overrides

    def __hash__(self) -> int:
        return hash(tuple(self._overrides))

    def __getitem__(self, name: str) -> Metric:
        """The entry of a metric: the table's, or else one made from the parts of its name."""
        metric = self._known.get(name)
        if metric is None:
            unit = Unit.PERCENT if name.endswith("accuracy") else Unit.NUMBER
            metric = _ENTRIES.get(name) or Metric(name, goal_from_name(name), unit)
            if stated := find_override(self._overrides, name):
                unit = Unit(stated.get("unit", metric.unit))
                metric = replace(metric, goal=known_goal(name, self._overrides) or metric.goal, unit=unit)
            self._known[name] = metric
        return metric

    def judges(self, judge: str = "") -> tuple[Judge, ...]:
        """The metrics that judge a run, in order of preference: `judge`, then the default ones."""
        judges = self._known_judges.get(judge)
        if judges is None:
            names = dict.fromkeys((*((judge,) if judge else ()), *DEFAULT_JUDGES))
            judges = self._known_judges[judge] = tuple(Judge(name, self[name].goal_or_lower) for name in names)
        return judges


DEFAULT_METRICS = MetricTable()
"""The table where a notebook says nothing."""
PANEL_METRICS = tuple(
    metric.name
    for metric in sorted(_ENTRIES.values(), key=lambda metric: metric.panel_order or 0)
    if metric.panel_order is not None
)
"""The metrics that a run's panel draws, in this order."""
PLOTTED_MEASURES = tuple(dict.fromkeys(name.partition("/")[2] for name in PANEL_METRICS))
"""The metrics, without their halves, that the plots of a report show."""


def panel_metrics(judges: Sequence[Judge]) -> tuple[str, ...]:
    """The metrics that a run's panel draws, in this order: the judge first where it is not the default one.

    Args:
        judges: the metrics that judge the run, in order of preference.
    """
    judge = stated_judge(judges)
    return tuple(dict.fromkeys((*((judge,) if judge else ()), *PANEL_METRICS)))


def stated_judge(judges: Sequence[Judge]) -> str:
    """The metric that judges; "" where it is the default one."""
    return "" if judges[0].metric == DEFAULT_JUDGES[0] else judges[0].metric


def request_judges(request: Request | None) -> tuple[Judge, ...]:
    """The metrics that judge one run, in order of preference, as its own record says."""
    judges = DEFAULT_METRICS.judges()
    if request is None or not request.judge:
        return judges
    goal = Goal(request.judge_goal) if request.judge_goal in tuple(Goal) else DEFAULT_UNKNOWN_GOAL
    return Judge(request.judge, goal), *(one for one in judges if one.metric != request.judge)


def lab_metrics(notebook: Notebook | None) -> MetricTable:
    """The table with what a notebook says of metrics."""
    overrides = notebook.lab_settings.get("metrics") if notebook else None
    return MetricTable(overrides) if overrides else DEFAULT_METRICS


def version_judges(notebook: Notebook | None, version: str, metrics: MetricTable | None = None) -> tuple[Judge, ...]:
    """The metrics that judge the runs of a version, in order of preference, as the notebook says now.

    Args:
        metrics: the notebook's `lab_metrics`, where the caller has them.
    """
    version_entry = notebook.versions.get(version) if notebook else None
    return (metrics or lab_metrics(notebook)).judges(version_entry.judge if version_entry else "")


def best_index(values: Sequence[float], goal: Goal) -> int | None:
    """The index of the best finite value, the first of equal ones; None without a finite value."""
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    if not finite:
        return None
    return (max if goal is Goal.HIGHER else min)(finite, key=values.__getitem__)


def in_list_order(names: Iterable[str]) -> list[str]:
    """Metrics as comparisons and notes list them: those of the table first, then the others by name."""
    return sorted(names, key=lambda name: (DEFAULT_METRICS[name].list_order, name))


def in_chart_order(names: Iterable[str]) -> list[str]:
    """Metrics as charts list them: those of the table first, then the others as they came."""
    return sorted(names, key=lambda name: DEFAULT_METRICS[name].chart_order)


def is_listed(name: str) -> bool:
    """Whether the table lists a metric by name."""
    return name in _ENTRIES


def accuracy_name(metric: str) -> str:
    """The accuracy of the same half as a metric, such as `valid/accuracy` for `valid/loss`."""
    return f"{metric.partition('/')[0]}/accuracy"


def chance_value(stated: object, name: str) -> float | None:
    """What guessing reaches of a metric; None where the trainer did not say.

    Where it named one half only, training and validation share it.

    Args:
        stated: `chance` of the trainer's `plan` event, whatever it holds.
    """
    if not isinstance(stated, Mapping):
        return None
    half, _, rest = name.partition("/")
    for one in (name, f"{'train' if half == 'valid' else 'valid'}/{rest}"):
        value: Any = stated.get(one)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _format_si(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {sign}"
    return format_number(value)
