"""A run as it stands: state, progress, curves. Reads only what was added since the last look."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from imgexp_tui.records import status as states
from imgexp_tui.records.alerts import AlertDetector
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.pace import Pace, TrainingClock
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.records.system.trend import Trend
from imgexp_tui.records.system.utilization import UtilizationHistogram

JUDGED_METRICS = ("valid/loss", "train/loss")
"""Metrics by which a run is judged, in order of preference; the lowest is the best."""
_NON_METRIC_KEYS = ("step", "epoch", "time", "attempt")


@dataclass(frozen=True, slots=True)
class Best:
    """The best value of the metric by which a run is judged, and the other metrics of that same line."""

    metric: str
    value: float
    epoch: float | None
    step: int
    other_metrics: dict[str, float] = field(default_factory=dict)

    @property
    def metric_values(self) -> dict[str, float]:
        """Metric → its value on that line, the judged metric first, the others by name."""
        return {self.metric: self.value, **dict(sorted(self.other_metrics.items()))}


@dataclass(slots=True)
class Series:
    """One metric of a run: steps and values of equal length, steps rising; values may be nan or inf."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        """Append a value. A resumed run goes back in steps: what stood at or after `step` is replaced."""
        self.discard_from(step)
        self.steps.append(step)
        self.values.append(value)

    def discard_from(self, step: int) -> None:
        """Drop what stands at or after `step`."""
        if self.steps and self.steps[-1] >= step:
            keep = bisect_left(self.steps, step)
            del self.steps[keep:]
            del self.values[keep:]

    @property
    def last(self) -> float | None:
        return self.values[-1] if self.values else None


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that takes a while and counts, such as a download. `total` is None where it is unknown."""

    what: str
    done: int
    total: int | None
    unit: str
    time: float


class RunFollower:
    """What is known of one run. `poll` reads what is new; the attributes hold the rest.

    Attributes:
        run_dir: the run's folder.
        request: what was asked.
        series: metric name → values so far.
        status: state and evidence.
        plan: the trainer's latest `plan` event; {} before it.
        progress: download or cache building under way; None otherwise.
        events: the events but `progress`, oldest first, at most the last 500.
        system: the latest line of `system.jsonl`; {} before one.
        peaks: the highest value of everything in it.
        utilization_histograms: how each `…/utilization` spent its time since training began, without what came before
            the first step.
        memory_trend: the memory of the run's processes since this attempt began to train.
        epoch_start_times: epoch → time of its first line.
        epoch, step, time: of the latest line; None before one.
        attempt_starts: attempt → its first step, for the attempts after the first.
        alert_detector: what happened that people want to be told.
        training_seconds: step of each validation → seconds of training until then, over all attempts, breaks left out.
    """

    def __init__(self, run_dir: RunDir, metrics_tail: LineTail | None = None) -> None:
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
        self.alert_detector = AlertDetector(run_dir)
        self._training_clock = TrainingClock()
        self._pending_resumptions: list[tuple[int, float]] = []
        self._tails = (
            (self._add_event, LineTail(run_dir.events)),
            (self._add_metrics, metrics_tail or LineTail(run_dir.metrics)),
            (self._add_system_sample, LineTail(run_dir.system)),
        )
        self._epoch_series = Series()
        self._training_start: float | None = None
        self._attempt_start = 0.0
        self._has_sampled_training = False
        self._pace: Pace | None = None
        self._ended_stamp: tuple[int, int] | None = None

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
        """Epochs asked for; None where the trainer is a user's and has not said."""
        found = self.plan.get("epochs", (self.request.config if self.request else {}).get("epochs"))
        return int(found) if isinstance(found, int | float) and math.isfinite(found) else None

    @property
    def chance(self) -> dict[str, float]:
        """Metric name → the value that guessing reaches, as the trainer stated it."""
        found = self.plan.get("chance", {})
        return {k: float(v) for k, v in found.items() if _is_number(v)} if isinstance(found, dict) else {}

    def last_metrics(self) -> dict[str, float]:
        """The last value of every metric."""
        return {name: s.values[-1] for name, s in self.series.items() if s.values}

    def best(self) -> Best | None:
        """The best line of the first watched metric that has a finite value."""
        for metric in JUDGED_METRICS:
            series = self.series.get(metric)
            finite = [i for i, v in enumerate(series.values) if math.isfinite(v)] if series else []
            if series and finite:
                i = min(finite, key=series.values.__getitem__)
                step = series.steps[i]
                return Best(metric, series.values[i], self.epoch_at(step), step, self._other_metrics_at(step, metric))
        return None

    def poll(self) -> bool:
        """Read what was added. True where anything changed.

        A run that has ended is read once more and then left alone until it is resumed, so that a lab of many runs
        costs nothing.
        """
        stamp = _change_stamp(self.run_dir)
        if self._ended_stamp == stamp:
            return False
        if self.request is None:
            self.request = Request.read(self.run_dir)
        before = self.status
        self.status = states.status(self.run_dir, self.request)
        self._note_attempt_start()
        changed = self.status != before
        # Each tells what to make of the next: a resumption of metrics, the first step of the system's samples.
        for take, tail in self._tails:
            while batch := tail.poll():
                changed = True
                if tail.restarted:
                    self._reset_file(tail.path)
                for record in batch:
                    take(record)
        self.alert_detector.update_status(self.status)
        self._ended_stamp = None if self.status.exit is None or self.status.state.live else stamp
        return changed

    def watch_again(self) -> None:
        """Look again at a run that had ended, whether or not its files tell that it was resumed."""
        self._ended_stamp = None

    def _note_attempt_start(self) -> None:
        if self.attempt_started_at is not None and self.attempt_started_at != self._attempt_start:
            self._attempt_start, self._pace = self.attempt_started_at, None
            self.memory_trend.clear()

    def _reset_file(self, path: Path) -> None:
        """A file was replaced: what was read from it before is void."""
        if path == self.run_dir.metrics:
            self.series.clear()
            self._epoch_series, self.training_seconds, self._training_clock = Series(), Series(), TrainingClock()
            self.attempt_starts = {}
            self.epoch_start_times = {}
            self._training_start = self._pace = self.step = self.epoch = self.time = None
            self.alert_detector.reset_metrics()
            self._has_sampled_training = False
        elif path == self.run_dir.events:
            self.events, self.plan, self.progress, self._pending_resumptions = [], {}, None, []
        else:
            self.system = {}
            self.peaks.clear()
            self.utilization_histograms.clear()
            self.memory_trend.clear()

    def eta(self) -> float | None:
        """Seconds until the last epoch ends, by the pace of this attempt so far; None before there is one."""
        total, pace = self.total_steps, self._pace.seconds_per_step if self._pace else None
        if not self.status.state.live or not total or not pace or self.step is None:
            return None
        return max(0.0, (total - self.step) * pace)

    @property
    def total_steps(self) -> int | None:
        per_epoch = self.plan.get("steps_per_epoch")
        return int(per_epoch) * self.planned_epochs if isinstance(per_epoch, int) and self.planned_epochs else None

    def epoch_progress(self) -> tuple[int, int] | None:
        """Steps done and steps in all of the epoch under way; None before the first step."""
        per_epoch = self.plan.get("steps_per_epoch")
        if not isinstance(per_epoch, int) or per_epoch < 1 or not self.step:
            return None
        return (self.step - 1) % per_epoch + 1, per_epoch

    def _add_metrics(self, record: dict[str, Any]) -> None:
        self.alert_detector.add_line(record)
        step = record.get("step")
        if not isinstance(step, int) or not 0 <= step < 1 << 63:
            return
        went_back = self.step is not None and step < self.step
        if went_back:
            self._discard_from(step)
        self._note_resumption(step, record.get("time"), went_back=went_back)
        self.step = step
        self._add_time(step, record.get("time"))
        if any(name.startswith("valid/") for name in record):
            self.training_seconds.add(step, self._training_clock.seconds)
        if _is_number(epoch := record.get("epoch")):
            self.epoch = float(epoch)
            self._epoch_series.add(step, self.epoch)
            self._add_epoch(self.epoch, record.get("time"), went_back=went_back)
        for name, value in record.items():
            if name not in _NON_METRIC_KEYS and _is_number(value):
                self.series.setdefault(name, Series()).add(step, float(value))

    def _add_time(self, step: int, timestamp: Any) -> None:
        if not _is_number(timestamp):
            return
        self.time = float(timestamp)
        if self._training_start is None:
            self._training_start = self.time
        if self._pace is None and self.time >= self._attempt_start:
            self._pace = Pace()
        if self._pace:
            self._pace.add(step, self.time)
        self._training_clock.add(self.time)

    def _add_epoch(self, epoch: float, timestamp: Any, *, went_back: bool) -> None:
        """Note when an epoch began; one that is done again counts from then."""
        if not (math.isfinite(epoch) and _is_number(timestamp)):
            return
        if went_back:
            self.epoch_start_times = {e: began for e, began in self.epoch_start_times.items() if e < epoch}
        self.epoch_start_times.setdefault(int(epoch), float(timestamp))

    def _discard_from(self, step: int) -> None:
        """A resumed run does steps again: what any metric had at or after `step` is void."""
        for series in (*self.series.values(), self.training_seconds):
            series.discard_from(step)
        self.attempt_starts = {attempt: first for attempt, first in self.attempt_starts.items() if first < step}

    def _note_resumption(self, step: int, timestamp: Any, *, went_back: bool) -> None:
        """Note the first step of an attempt: the first line after it was resumed, or the one that does a step again."""
        while self._pending_resumptions and (
            went_back or (_is_number(timestamp) and timestamp >= self._pending_resumptions[0][1])
        ):
            self.attempt_starts[self._pending_resumptions.pop(0)[0]] = step
            went_back = False  # those that were resumed later have lines of their own to come
            self._training_clock.skip_break()

    def _add_event(self, record: dict[str, Any]) -> None:
        kind = record.get("kind")
        if kind == "progress":
            done, total = record.get("done"), record.get("total")
            over = isinstance(total, int) and isinstance(done, int) and done >= total
            self.progress = (
                None
                if over
                else Progress(
                    str(record.get("what", "")),
                    int(done or 0),
                    total if isinstance(total, int) else None,
                    str(record.get("unit", "")),
                    float(record.get("time", 0.0)),
                )
            )
            return
        if kind == "plan":
            self.plan, self.progress = record, None
        attempt, moment = record.get("attempt"), record.get("time")
        if kind == "resumed" and isinstance(attempt, int) and _is_number(moment):
            self._pending_resumptions.append((attempt, moment))
        self.events = [*self.events[-499:], record]

    def _add_system_sample(self, record: dict[str, Any]) -> None:
        passed = self._training_seconds_between(self.system.get("time"), record.get("time"))
        for name, value in record.items():
            if name == "time" or not _is_number(value):
                continue
            self.peaks[name] = max(value, self.peaks.get(name, value))
            if name.endswith("/utilization"):
                self.utilization_histograms.setdefault(name, UtilizationHistogram()).add(value, passed)
        moment, memory = record.get("time"), record.get("tree/memory")
        if passed > 0 and _is_number(moment) and _is_number(memory) and moment >= self._attempt_start:
            self.memory_trend.add(moment, memory)
        self.system = record

    def _training_seconds_between(self, before: Any, now: Any) -> float:
        """Seconds of training between two samples. A `command` may never say when training began."""
        if not (_is_number(before) and _is_number(now)):
            return 0.0
        if self._training_start is None:
            return now - before if self.request and self.request.trainer == "command" else 0.0
        if self._has_sampled_training:
            return now - before
        self._has_sampled_training = (
            now >= self._training_start
        )  # from then on, whatever the clock says: it may be set back
        return now - max(before, self._training_start)

    def epoch_at(self, step: int) -> float | None:
        """The epoch of the line of a step; None where that did not tell it."""
        i = self._index_of_step(self._epoch_series, step)
        return None if i is None else self._epoch_series.values[i]

    def _other_metrics_at(self, step: int, metric: str) -> dict[str, float]:
        found = {}
        for name, series in self.series.items():
            i = self._index_of_step(series, step)
            if name != metric and i is not None:
                found[name] = series.values[i]
        return found

    @staticmethod
    def _index_of_step(series: Series, step: int) -> int | None:
        i = bisect_left(series.steps, step)
        return i if i < len(series.steps) and series.steps[i] == step else None


def best_run(followers: Iterable[RunFollower]) -> tuple[RunFollower, Best] | None:
    """The best run of several and its best line; the first watched metric that any of them has decides."""
    found = [(view, best) for view in followers if (best := view.best())]
    return min(found, key=lambda f: (JUDGED_METRICS.index(f[1].metric), f[1].value), default=None)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _change_stamp(run_dir: RunDir) -> tuple[int, int]:
    """Changes when a run is resumed, and when its end is written down."""
    return _mtime_ns(run_dir.process), _mtime_ns(run_dir.exit)


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
