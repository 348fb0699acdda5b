"""What is known of one run, and what follows from it: its best value, progress, time left. Reads no file."""

from __future__ import annotations

import copy
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.metric import Judge, accuracy_name, request_judges
from imgexp_tui.records.metrics.pace import Pace
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.records.system.trend import Trend
from imgexp_tui.records.system.utilization import UtilizationHistogram


@dataclass(frozen=True, slots=True)
class Best:
    """The best value of the metric that judges a run, and the other metrics of the same step.

    Attributes:
        goal: which values of the metric are better.
        preference: the place of the metric among those that judge the run; 0 for the first. Values of different
            metrics are never compared: the smaller place wins.
    """

    metric: str
    value: float
    epoch: float | None
    step: int
    other_metrics: dict[str, float] = field(default_factory=dict)
    goal: Goal = Goal.LOWER
    preference: int = 0

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts the best of several runs: the smallest is the best of all."""
        return self.preference, self.goal.sort_key(self.value)

    @property
    def accuracy(self) -> float | None:
        """The finite accuracy of the same half at that step; None without."""
        value = self.metric_values.get(accuracy_name(self.metric))
        return value if value is not None and math.isfinite(value) else None

    @property
    def metric_values(self) -> dict[str, float]:
        """Metric → its value at that step, the judged metric first, the others by name."""
        return {self.metric: self.value, **dict(sorted(self.other_metrics.items()))}


@dataclass(slots=True)
class Series:
    """One metric of a run: steps and values of equal length, steps rising; values may be nan or inf.

    Attributes:
        cuts: the length that was left each time something was dropped from the end, for `SeriesCopy`.
    """

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    cuts: array[int] = field(default_factory=lambda: array("q"), compare=False, repr=False)

    def add(self, step: int, value: float) -> None:
        """Append a value. A resumed run goes back in steps: values at or after `step` are replaced."""
        if self.steps and self.steps[-1] >= step:
            self.discard_from(step)
        self.steps.append(step)
        self.values.append(value)

    def discard_from(self, step: int) -> None:
        """Drop the values at or after `step`."""
        if self.steps and self.steps[-1] >= step:
            count = bisect_left(self.steps, step)
            del self.steps[count:]
            del self.values[count:]
            self.cuts.append(count)

    @property
    def last(self) -> float | None:
        """The latest value; None before one."""
        return self.values[-1] if self.values else None


class SeriesCopy:
    """A copy of a series that another thread goes on with. An update costs what is new, not what is there.

    Attributes:
        series: the copy; the same object as long as the other series is the same one.
    """

    def __init__(self) -> None:
        self.series = Series()
        self._original: Series | None = None
        self._cut_count = 0

    def update(self, original: Series) -> Series:
        """The copy, equal to `original` from now on. The other thread must not change that meanwhile."""
        cuts, self._cut_count = original.cuts[self._cut_count :], len(original.cuts)
        if original is not self._original:
            self._original, self.series, cuts = original, Series(), array("q")
        own = self.series
        count = min([len(own.steps), *cuts])
        del own.steps[count:], own.values[count:]
        own.steps.extend(original.steps[count:])
        own.values.extend(original.values[count:])
        return own


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that takes a while and is counted, such as a download. `total` is None where it is unknown."""

    what: str
    done: int
    total: int | None
    unit: str
    time: float


class RunState:
    """What is known of one run; a `RunFollower` fills it in.

    Attributes:
        run_dir: the run's folder.
        request: what was asked of the run; None before it was read.
        series: metric name → values so far.
        status: its state, and the evidence for it.
        plan: the trainer's latest `plan` event; {} before it.
        progress: a download or a cache that is being built; None otherwise.
        events: all events but `progress`, oldest first, at most the last 500.
        system: the latest sample of the machine, from `system.jsonl`; {} before one.
        peaks: the highest value of everything in those samples.
        utilization_histograms: how long each `…/utilization` read what, from the first step of training on.
        memory_trend: the memory of the run's processes since this attempt began to train.
        epoch_start_times: epoch → time of its first record.
        epoch, step, time: of the latest record; None before one.
        attempt_starts: attempt → its first step, for the attempts after the first.
        training_seconds: seconds of training until each validation, over all attempts, without pauses; by step.
    """

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.request: Request | None = None
        self.series: dict[str, Series] = {}
        self.status = Status(State.QUEUED, "", 1)
        self.plan: dict[str, Any] = {}
        self.progress: Progress | None = None
        self.events: list[dict[str, Any]] = []
        self.system: dict[str, Any] = {}
        self.peaks: dict[str, float] = {}
        self.utilization_histograms: dict[str, UtilizationHistogram] = {}
        self.memory_trend = Trend()
        self.epoch_start_times: dict[int, float] = {}
        self.epoch: float | None = None
        self.step: int | None = None
        self.time: float | None = None
        self.attempt_starts: dict[int, int] = {}
        self.training_seconds = Series()
        self._epoch_series = Series()
        self._pace: Pace | None = None
        self._copies: dict[str, SeriesCopy] = {}
        self._training_copy, self._epoch_copy = SeriesCopy(), SeriesCopy()

    def copy_from(self, other: RunState) -> None:
        """Copy all data of another state of the same run, so that the two share nothing that changes.

        Series stay the same objects, with the new values appended, so that their readers read only those.
        """
        for name in ("request", "status", "plan", "progress", "events", "system", "epoch", "step", "time"):
            setattr(self, name, getattr(other, name))  # these are replaced and never changed
        self.peaks = dict(other.peaks)
        self.utilization_histograms = {name: one.copy() for name, one in other.utilization_histograms.items()}
        self.memory_trend = other.memory_trend.copy()
        self.epoch_start_times = dict(other.epoch_start_times)
        self.attempt_starts = dict(other.attempt_starts)
        self._pace = copy.copy(other._pace)
        self._copies = {name: self._copies.get(name) or SeriesCopy() for name in other.series}
        self.series = {name: self._copies[name].update(series) for name, series in other.series.items()}
        self.training_seconds = self._training_copy.update(other.training_seconds)
        self._epoch_series = self._epoch_copy.update(other._epoch_series)

    @property
    def run_id(self) -> str:
        return self.run_dir.run_id

    @property
    def version(self) -> str:
        return self.run_dir.version

    @property
    def attempt_started_at(self) -> float | None:
        """When the current attempt began, seconds since the epoch; None before."""
        return self.status.process.started if self.status.process else None

    @property
    def planned_epochs(self) -> int | None:
        """Epochs asked for; None where the trainer is a user's own and has not said."""
        epochs = self.plan.get("epochs", (self.request.config if self.request else {}).get("epochs"))
        return int(epochs) if isinstance(epochs, int | float) and math.isfinite(epochs) else None

    @property
    def chance(self) -> dict[str, float]:
        """Metric name → the value that guessing reaches, as the trainer stated it."""
        levels = self.plan.get("chance", {})
        return {k: float(v) for k, v in levels.items() if is_number(v)} if isinstance(levels, dict) else {}

    def last_metrics(self) -> dict[str, float]:
        """The last value of every metric."""
        return {name: s.values[-1] for name, s in self.series.items() if s.values}

    @property
    def judges(self) -> tuple[Judge, ...]:
        """The metrics that judge this run, in order of preference, as its own record says."""
        return request_judges(self.request)

    def best(self, judges: Sequence[Judge] | None = None) -> Best | None:
        """The best step by the first judging metric that has a finite value; None without.

        Args:
            judges: the metrics that decide, in order of preference; those of the run's own record without.
        """
        for place, judge in enumerate(self.judges if judges is None else judges):
            series = self.series.get(judge.metric)
            i = judge.best_index(series.values) if series else None
            if series is not None and i is not None:
                step, other_metrics = series.steps[i], self._other_metrics_at(series.steps[i], judge.metric)
                return Best(judge.metric, series.values[i], self.epoch_at(step), step, other_metrics, judge.goal, place)
        return None

    def eta(self) -> float | None:
        """Seconds until the last epoch ends, at the pace of this attempt so far; None before there is one."""
        total, pace = self.total_steps, self._pace.seconds_per_step if self._pace else None
        if not self.status.state.live or not total or not pace or self.step is None:
            return None
        return max(0.0, (total - self.step) * pace)

    @property
    def total_steps(self) -> int | None:
        per_epoch = self.plan.get("steps_per_epoch")
        return int(per_epoch) * self.planned_epochs if isinstance(per_epoch, int) and self.planned_epochs else None

    def epoch_progress(self) -> tuple[int, int] | None:
        """Steps done and all steps of the epoch under way; None before the first step."""
        per_epoch = self.plan.get("steps_per_epoch")
        if not isinstance(per_epoch, int) or per_epoch < 1 or not self.step:
            return None
        return (self.step - 1) % per_epoch + 1, per_epoch

    def epoch_at(self, step: int) -> float | None:
        """The epoch of a step's record; None where the record does not say."""
        i = self._index_of_step(self._epoch_series, step)
        return None if i is None else self._epoch_series.values[i]

    def _other_metrics_at(self, step: int, metric: str) -> dict[str, float]:
        values = {}
        for name, series in self.series.items():
            i = self._index_of_step(series, step)
            if name != metric and i is not None:
                values[name] = series.values[i]
        return values

    @staticmethod
    def _index_of_step(series: Series, step: int) -> int | None:
        i = bisect_left(series.steps, step)
        return i if i < len(series.steps) and series.steps[i] == step else None


AnyRun = TypeVar("AnyRun", bound=RunState)


def best_run(runs: Iterable[AnyRun], judges: Sequence[Judge] | None = None) -> tuple[AnyRun, Best] | None:
    """The best of several runs and its best step; None without. The first judging metric that any has decides.

    Args:
        judges: the metrics that decide, in order of preference; those of the first run's record without.
    """
    runs = list(runs)
    if judges is None:
        judges = runs[0].judges if runs else ()
    bests = [(run, best) for run in runs if (best := run.best(judges))]
    return min(bests, key=lambda pair: pair[1].rank, default=None)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
