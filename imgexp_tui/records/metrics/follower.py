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
from imgexp_tui.records.alerts import News
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.pace import Clock, Pace
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.records.system.trend import Trend
from imgexp_tui.records.system.utilization import Gauge

WATCHED = ("valid/loss", "train/loss")
"""Metrics by which a run is judged, in order of preference; the lowest is the best."""
_FRAME = ("step", "epoch", "time", "attempt")


@dataclass(frozen=True, slots=True)
class Best:
    """The best value of the metric by which a run is judged, and the other metrics of that same line."""

    metric: str
    value: float
    epoch: float | None
    step: int
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, float]:
        """Metric → its value on that line, the judged metric first, the others by name."""
        return {self.metric: self.value, **dict(sorted(self.beside.items()))}


@dataclass(slots=True)
class Series:
    """One metric of a run: steps and values of equal length, steps rising; values may be nan or inf."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        """Append a value. A resumed run goes back in steps: what stood at or after `step` is replaced."""
        self.cut(step)
        self.steps.append(step)
        self.values.append(value)

    def cut(self, step: int) -> None:
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


class RunView:
    """What is known of one run. `poll` reads what is new; the attributes hold the rest.

    Attributes:
        dir: the run's folder.
        request: what was asked.
        series: metric name → values so far.
        status: state and evidence.
        plan: the trainer's latest `plan` event; {} before it.
        progress: download or cache building under way; None otherwise.
        events: the events but `progress`, oldest first, at most the last 500.
        system: the latest line of `system.jsonl`; {} before one.
        peaks: the highest value of everything in it.
        gauges: how each `…/utilization` spent its time since training began, without what came before the first step.
        growth: the memory of the run's processes since this attempt began to train.
        epoch_began: epoch → time of its first line.
        epoch, step, time: of the latest line; None before one.
        attempts: attempt → its first step, for the attempts after the first.
        news: what happened that people want to be told.
        trained: step of each validation → seconds of training until then, over all attempts, breaks left out.
    """

    def __init__(self, run: RunDir, lines: LineTail | None = None) -> None:
        self.dir = run
        self.request: Request | None = None
        self.series: dict[str, Series] = {}
        self.status = Status(State.QUEUED, "", 1)
        self.plan: dict[str, Any] = {}
        self.progress: Progress | None = None
        self.events: list[dict[str, Any]] = []
        self.system: dict[str, Any] = {}
        self.peaks: dict[str, float] = {}
        self.gauges: dict[str, Gauge] = {}
        self.growth = Trend()
        self.epoch_began: dict[int, float] = {}
        self.epoch: float | None = None
        self.step: int | None = None
        self.time: float | None = None
        self.attempts: dict[int, int] = {}
        self.trained = Series()
        self.news = News(run)
        self._clock = Clock()
        self._resumed: list[tuple[int, float]] = []
        self._tails = (
            (self._event, LineTail(run.events)),
            (self._metrics, lines or LineTail(run.metrics)),
            (self._system, LineTail(run.system)),
        )
        self._epoch_series = Series()
        self._begun: float | None = None
        self._attempt_start = 0.0
        self._training = False
        self._pace: Pace | None = None
        self._settled: tuple[int, int] | None = None

    @property
    def run(self) -> str:
        return self.dir.run

    @property
    def version(self) -> str:
        return self.dir.version

    @property
    def started(self) -> float | None:
        """When the current attempt began, seconds since the epoch; None before."""
        return self.status.process.started if self.status.process else None

    @property
    def epochs(self) -> int | None:
        """Epochs asked for; None where the trainer is a user's and has not said."""
        found = self.plan.get("epochs", (self.request.config if self.request else {}).get("epochs"))
        return int(found) if isinstance(found, int | float) and math.isfinite(found) else None

    @property
    def chance(self) -> dict[str, float]:
        """Metric name → the value that guessing reaches, as the trainer stated it."""
        found = self.plan.get("chance", {})
        return {k: float(v) for k, v in found.items() if _is_number(v)} if isinstance(found, dict) else {}

    def metrics(self) -> dict[str, float]:
        """The last value of every metric."""
        return {name: s.values[-1] for name, s in self.series.items() if s.values}

    def best(self) -> Best | None:
        """The best line of the first watched metric that has a finite value."""
        for metric in WATCHED:
            series = self.series.get(metric)
            finite = [i for i, v in enumerate(series.values) if math.isfinite(v)] if series else []
            if series and finite:
                i = min(finite, key=series.values.__getitem__)
                step = series.steps[i]
                return Best(metric, series.values[i], self.epoch_at(step), step, self._beside(step, metric))
        return None

    def poll(self) -> bool:
        """Read what was added. True where anything changed.

        A run that has ended is read once more and then left alone until it is resumed, so that a lab of many runs
        costs nothing.
        """
        stamp = _stamp(self.dir)
        if self._settled == stamp:
            return False
        if self.request is None:
            self.request = Request.read(self.dir)
        before = self.status
        self.status = states.status(self.dir, self.request)
        self._mark_attempt()
        changed = self.status != before
        # Each tells what to make of the next: a resumption of metrics, the first step of the system's samples.
        for take, tail in self._tails:
            while batch := tail.poll():
                changed = True
                if tail.restarted:
                    self._forget(tail.path)
                for record in batch:
                    take(record)
        self.news.state(self.status)
        self._settled = None if self.status.exit is None or self.status.state.live else stamp
        return changed

    def reopen(self) -> None:
        """Look again at a run that had ended, whether or not its files tell that it was resumed."""
        self._settled = None

    def _mark_attempt(self) -> None:
        if self.started is not None and self.started != self._attempt_start:
            self._attempt_start, self._pace = self.started, None
            self.growth.clear()

    def _forget(self, path: Path) -> None:
        """A file was replaced: what was read from it before is void."""
        if path == self.dir.metrics:
            self.series.clear()
            self._epoch_series, self.trained, self._clock = Series(), Series(), Clock()
            self.attempts = {}
            self.epoch_began = {}
            self._begun = self._pace = self.step = self.epoch = self.time = None
            self.news.restart()
            self._training = False
        elif path == self.dir.events:
            self.events, self.plan, self.progress, self._resumed = [], {}, None, []
        else:
            self.system = {}
            self.peaks.clear()
            self.gauges.clear()
            self.growth.clear()

    def eta(self) -> float | None:
        """Seconds until the last epoch ends, by the pace of this attempt so far; None before there is one."""
        total, pace = self.total_steps, self._pace.seconds if self._pace else None
        if not self.status.state.live or not total or not pace or self.step is None:
            return None
        return max(0.0, (total - self.step) * pace)

    @property
    def total_steps(self) -> int | None:
        per_epoch = self.plan.get("steps_per_epoch")
        return int(per_epoch) * self.epochs if isinstance(per_epoch, int) and self.epochs else None

    def epoch_progress(self) -> tuple[int, int] | None:
        """Steps done and steps in all of the epoch under way; None before the first step."""
        per_epoch = self.plan.get("steps_per_epoch")
        if not isinstance(per_epoch, int) or per_epoch < 1 or not self.step:
            return None
        return (self.step - 1) % per_epoch + 1, per_epoch

    def _metrics(self, record: dict[str, Any]) -> None:
        self.news.line(record)
        step = record.get("step")
        if not isinstance(step, int) or not 0 <= step < 1 << 63:
            return
        went_back = self.step is not None and step < self.step
        if went_back:
            self._go_back(step)
        self._mark_resumed(step, record.get("time"), went_back=went_back)
        self.step = step
        self._note_time(step, record.get("time"))
        if any(name.startswith("valid/") for name in record):
            self.trained.add(step, self._clock.seconds)
        if _is_number(epoch := record.get("epoch")):
            self.epoch = float(epoch)
            self._epoch_series.add(step, self.epoch)
            self._note_epoch(self.epoch, record.get("time"), went_back=went_back)
        for name, value in record.items():
            if name not in _FRAME and _is_number(value):
                self.series.setdefault(name, Series()).add(step, float(value))

    def _note_time(self, step: int, moment: Any) -> None:
        if not _is_number(moment):
            return
        self.time = float(moment)
        if self._begun is None:
            self._begun = self.time
        if self._pace is None and self.time >= self._attempt_start:
            self._pace = Pace()
        if self._pace:
            self._pace.add(step, self.time)
        self._clock.add(self.time)

    def _note_epoch(self, epoch: float, moment: Any, *, went_back: bool) -> None:
        """Note when an epoch began; one that is done again counts from then."""
        if not (math.isfinite(epoch) and _is_number(moment)):
            return
        if went_back:
            self.epoch_began = {e: began for e, began in self.epoch_began.items() if e < epoch}
        self.epoch_began.setdefault(int(epoch), float(moment))

    def _go_back(self, step: int) -> None:
        """A resumed run does steps again: what any metric had at or after `step` is void."""
        for series in (*self.series.values(), self.trained):
            series.cut(step)
        self.attempts = {attempt: first for attempt, first in self.attempts.items() if first < step}

    def _mark_resumed(self, step: int, moment: Any, *, went_back: bool) -> None:
        """Note the first step of an attempt: the first line after it was resumed, or the one that does a step again."""
        while self._resumed and (went_back or (_is_number(moment) and moment >= self._resumed[0][1])):
            self.attempts[self._resumed.pop(0)[0]] = step
            went_back = False  # those that were resumed later have lines of their own to come
            self._clock.rest()

    def _event(self, record: dict[str, Any]) -> None:
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
            self._resumed.append((attempt, moment))
        self.events = [*self.events[-499:], record]

    def _system(self, record: dict[str, Any]) -> None:
        passed = self._passed(self.system.get("time"), record.get("time"))
        for name, value in record.items():
            if name == "time" or not _is_number(value):
                continue
            self.peaks[name] = max(value, self.peaks.get(name, value))
            if name.endswith("/utilization"):
                self.gauges.setdefault(name, Gauge()).add(value, passed)
        moment, memory = record.get("time"), record.get("tree/memory")
        if passed > 0 and _is_number(moment) and _is_number(memory) and moment >= self._attempt_start:
            self.growth.add(moment, memory)
        self.system = record

    def _passed(self, before: Any, now: Any) -> float:
        """Seconds of training between two samples. A `command` may never say when training began."""
        if not (_is_number(before) and _is_number(now)):
            return 0.0
        if self._begun is None:
            return now - before if self.request and self.request.trainer == "command" else 0.0
        if self._training:
            return now - before
        self._training = now >= self._begun  # from then on, whatever the clock says: it may be set back
        return now - max(before, self._begun)

    def epoch_at(self, step: int) -> float | None:
        """The epoch of the line of a step; None where that did not tell it."""
        i = self._find(self._epoch_series, step)
        return None if i is None else self._epoch_series.values[i]

    def _beside(self, step: int, metric: str) -> dict[str, float]:
        found = {}
        for name, series in self.series.items():
            i = self._find(series, step)
            if name != metric and i is not None:
                found[name] = series.values[i]
        return found

    @staticmethod
    def _find(series: Series, step: int) -> int | None:
        i = bisect_left(series.steps, step)
        return i if i < len(series.steps) and series.steps[i] == step else None


def best_of(views: Iterable[RunView]) -> tuple[RunView, Best] | None:
    """The best run of several and its best line; the first watched metric that any of them has decides."""
    found = [(view, best) for view in views if (best := view.best())]
    return min(found, key=lambda f: (WATCHED.index(f[1].metric), f[1].value), default=None)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stamp(run: RunDir) -> tuple[int, int]:
    """Changes when a run is resumed, and when its end is written down."""
    return _modified(run.process), _modified(run.exit)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
