"""A run's curves for drawing: any stretch of any metric, over steps, epochs, time or samples, with nothing left out.

A long run is opened from its snapshot, or from samples of its record until another process has made one; what is
appended is read as it comes. Needs NumPy: only the screens that draw curves import it, and it blocks on files, so that
`poll` belongs into a thread.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.columns import (
    Columns,
    attempts_of,
    epochs_of,
    fold,
    load,
    lowest,
    resumptions,
    seconds_of,
)
from imgexp_tui.records.metrics.jsonl_columns import Rows, joined, parse, read_rows
from imgexp_tui.records.metrics.minmax import Floats, Ints, Stretches
from imgexp_tui.records.metrics.sampling import LONG, sampled
from imgexp_tui.records.metrics.snapshot import Damaged, Snapshot, open_snapshot
from imgexp_tui.records.metrics.snapshot_job import Builder
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.system.columns import SystemSeries

_FROZEN = 1 << 16
"""Rows from which a new part is begun, so that appending costs the same however long a run is."""


class Axis(Enum):
    """What x stands for; `time` is seconds of training, over all attempts and without the pauses between them."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    SAMPLES = "samples"


@dataclass(frozen=True, slots=True)
class Buckets:
    """A metric between two x, in stretches of equal width.

    Attributes:
        edges: x of the stretches' edges, one more than there are stretches.
        low, high, mean: of the finite values; nan where there are none.
        last: the latest value, maybe not finite; nan where there is none.
        count, broken: how many values there are, and how many are not finite.
        before, after: x and value of the nearest finite values outside, so that a line can leave the picture.
    """

    edges: Floats
    low: Floats
    high: Floats
    mean: Floats
    last: Floats
    count: Ints
    broken: Ints
    before: tuple[float, float] | None = None
    after: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One value and where it stands; `epoch` and `seconds` are nan where nobody said."""

    step: int
    epoch: float
    seconds: float
    value: float


@dataclass(frozen=True, slots=True)
class Extremes:
    """The lowest and the highest finite value, and the steps at which they were first reached."""

    low: float
    low_step: int
    high: float
    high_step: int


class RunSeries:
    """The curves of one run. Not safe for use by several threads at a time.

    Attributes:
        request, plan: what was asked, and what its trainer said of itself; None and {} before.
        reading: what is there is a sample; the whole is on its way.
        attempts: attempt → its first step, for the attempts after the first.
        version: changes when anything else does.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.request: Request | None = None
        self.plan: dict[str, Any] = {}
        self.reading = False
        self.attempts: dict[int, int] = {}
        self.version = 0
        self._events = LineTail(run.events)
        self._resumed: list[tuple[int, float]] = []
        self._parts: list[Columns] = []
        self._system = SystemSeries(run.system)
        self._sampled: Columns | None = None
        self._maps: dict[Axis, tuple[Floats, Floats]] = {}
        self._builder: Builder | None = None
        self._offset = self._inode = 0
        self._alone = False

    # Reading

    def poll(self) -> bool:
        """Read what was added. True where anything changed."""
        self.request = self.request or Request.read(self.run)
        changed = self._told()
        changed = self._look_at_system() or changed
        changed = self._build_goes_on() or changed
        if self.reading:
            return changed
        try:
            status = self.run.metrics.stat()
        except OSError:
            return changed
        if self._inode not in (0, status.st_ino) or status.st_size < self._offset:
            self._begin()
            changed = True
        self._inode = status.st_ino
        if status.st_size - self._offset > LONG and not self._alone:
            self._open_long(status.st_size)
            return True
        return self._append(status.st_size) or changed

    def _look_at_system(self) -> bool:
        if not self._system.poll():
            return False
        self._sampled = None
        self.version += 1
        return True

    def _begin(self) -> None:
        """Forget all: the record is another."""
        self._parts, self._builder, self._sampled = [], None, None
        self._maps.clear()
        self._offset = 0
        self._alone = self.reading = False
        self.attempts = {}
        self.version += 1

    def _open_long(self, size: int) -> None:
        """Stand on the snapshot, or on samples until there is one that is new enough."""
        there = open_snapshot(self.run.cache, self.run.metrics)
        if there and self._adopt(there) and size - self._offset <= LONG:
            return
        if not self._parts:
            with contextlib.suppress(OSError):
                pieces = [parse(piece) for piece in sampled(self.run.metrics, size)]
                self._take([fold(Columns(), joined(pieces))])
        self._builder = Builder(self.run)
        self.reading = True

    def _build_goes_on(self) -> bool:
        if self._builder is None:
            return False
        found = self._builder.poll()
        if found is None and not self._builder.failed:
            return False
        self._builder, self.reading = None, False
        if found is None or not self._adopt(found):
            # Nobody else could: the whole is read here, piece by piece.
            self._parts, self._offset, self._alone = [], 0, True
        return True

    def _adopt(self, snapshot: Snapshot) -> bool:
        """Stand on a snapshot; False where it is damaged."""
        try:
            columns = load(snapshot)
        except (Damaged, OSError):
            return False
        finally:
            snapshot.close()
        self._offset = snapshot.source.offset
        self._take([columns])
        return True

    def _append(self, size: int) -> bool:
        """Read on, at most `LONG` bytes."""
        if size <= self._offset:
            return False
        try:
            rows, offset = read_rows(self.run.metrics, self._offset, min(size, self._offset + LONG))
        except OSError:
            return False
        if offset == self._offset:
            return False
        self._offset = offset
        self._add(rows)
        return True

    def _add(self, rows: Rows) -> None:
        """Lines that follow. Where they go back, what stood there is cut from every part."""
        if not len(rows):
            return
        parts = self._parts
        if parts:
            void = lowest(parts[-1], rows)
            parts = [part for part in (part.before(void) for part in parts) if len(part.steps)]
        grows = bool(parts) and len(parts[-1].steps) < _FROZEN
        tail = fold(parts[-1] if grows else Columns(), rows)
        parts = parts[:-1] if grows else parts
        if parts:
            parts = [*parts[:-1], _without_doubles(parts[-1], tail)]
        self._take([*parts, tail])

    def _take(self, parts: list[Columns]) -> None:
        self._parts, self._sampled = parts, None
        self._maps.clear()
        self.version += 1
        self._mark_attempts()

    def _told(self) -> bool:
        """Read what trainer and supervisor told; True where the axes or marks may differ."""
        changed = False
        while events := self._events.poll():
            resumed = resumptions(events)
            self._resumed = ([] if self._events.restarted else self._resumed) + resumed
            plans = [event for event in events if event.get("kind") == "plan"]
            self.plan = plans[-1] if plans else self.plan
            changed = changed or bool(resumed or plans)
        if changed:
            self._maps.clear()
            self._mark_attempts()
            self.version += 1
        return changed

    def _mark_attempts(self) -> None:
        if self._resumed and self._parts:
            steps, times = (np.concatenate([getattr(p, name) for p in self._parts]) for name in ("steps", "times"))
            self.attempts = attempts_of(self._resumed, steps, times)

    # Asking

    @property
    def steps_per_epoch(self) -> int | None:
        """As its plan says; without, epochs are as long as their lines tell."""
        found = self.plan.get("steps_per_epoch")
        return found if isinstance(found, int) and found > 0 else None

    @property
    def batch_size(self) -> int | None:
        """Samples a step; without, there is no axis of samples."""
        found = (self.request.config if self.request else {}).get("batch_size")
        return found if isinstance(found, int) and found > 0 else None

    @property
    def metrics(self) -> list[str]:
        """The names, in the order in which they first came; then those of what the supervisor sampled."""
        return list(dict.fromkeys(name for part in self._all for name in part.metrics))

    @property
    def _all(self) -> list[Columns]:
        """The parts, and what was sampled meanwhile."""
        if self._sampled is None:
            whole = [Columns(), *self._parts]
            steps, times = np.concatenate([p.steps for p in whole]), np.concatenate([p.times for p in whole])
            self._sampled = self._system.columns(steps, times)
        return [*self._parts, self._sampled]

    def steps_within(self, first: float, last: float) -> tuple[int, int]:
        """The steps that had been done so many seconds after the supervisor's first sample."""
        whole = [Columns(), *self._parts]
        steps, times = np.concatenate([p.steps for p in whole]), np.concatenate([p.times for p in whole])
        done = [steps[times <= self._system.moment(seconds)] for seconds in (first, last)]
        return int(done[0][-1]) if len(done[0]) else 0, int(done[1][-1]) if len(done[1]) else 0

    @property
    def last_step(self) -> int:
        """Of the latest line; 0 before one."""
        return int(self._parts[-1].steps[-1]) if self._parts and len(self._parts[-1].steps) else 0

    def axes(self) -> list[Axis]:
        """The axes that there is something for."""
        found = [Axis.STEP]
        for axis in (Axis.EPOCH, Axis.TIME, Axis.SAMPLES):
            steps, _ = self._map(axis)
            if len(steps) > 1:
                found.append(axis)
        return found

    def reach(self, axis: Axis = Axis.STEP) -> tuple[float, float]:
        """The lowest and the highest x; (0, 0) before there is any."""
        return (0.0, float(self.x_of(self.last_step, axis))) if self.last_step else (0.0, 0.0)

    def x_of(self, step: float, axis: Axis = Axis.STEP) -> float:
        """Where a step stands on an axis; nan where that axis is not known."""
        if axis is Axis.STEP:
            return float(step)
        steps, xs = self._map(axis)
        return float(np.interp(step, steps, xs)) if len(steps) else math.nan

    def window(self, metric: str, x0: float, x1: float, buckets: int, axis: Axis = Axis.STEP) -> Buckets:
        """A metric from `x0` to `x1`, both included, in at most `buckets` stretches of equal width."""
        return self.between(metric, np.linspace(x0, x1, max(1, buckets) + 1), axis)

    def between(self, metric: str, edges: Floats, axis: Axis = Axis.STEP) -> Buckets:
        """A metric in the stretches between rising edges; the last edge belongs to the last stretch."""
        first = self.steps_from(edges, axis)
        found: Stretches | None = None
        last = np.full(len(edges) - 1, np.nan)
        for part in self._all:
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            at = np.searchsorted(steps, first)
            here = part.pyramid(metric).stretches(at[:-1], at[1:])
            some = at[1:] > at[:-1]
            last[some] = values[at[1:][some] - 1]
            found = here if found is None else found.joined(here)
        if found is None:
            nothing = np.zeros(len(last))
            found = Stretches(last, last, nothing, nothing.astype(np.int64), nothing.astype(np.int64))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = found.total / (found.count - found.broken)
        before = self._beyond(metric, int(first[0]), axis, later=False)
        after = self._beyond(metric, int(first[-1]), axis, later=True)
        return Buckets(edges, found.low, found.high, mean, last, found.count, found.broken, before, after)

    def _beyond(self, metric: str, step: int, axis: Axis, *, later: bool) -> tuple[float, float] | None:
        """The nearest finite value before a step, or at and after it."""
        for part in self._all if later else reversed(self._all):
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            at = int(np.searchsorted(steps, step))
            near = range(at, min(len(steps), at + 64)) if later else range(at - 1, max(-1, at - 65), -1)
            for i in near:
                if math.isfinite(values[i]):
                    return self.x_of(int(steps[i]), axis), float(values[i])
        return None

    def step_at(self, x: float, axis: Axis = Axis.STEP) -> float:
        """The step that stands at `x`; before or after all of them where the run does not reach there."""
        return float(self._steps_at(np.array([x]), axis)[0])

    def near(self, metric: str, x: float, axis: Axis = Axis.STEP) -> Point | None:
        """The value that is nearest to `x`; None where the metric has none."""
        step = self.step_at(x, axis)
        found: tuple[float, int, float] | None = None
        for part in self._all:
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            at = int(np.searchsorted(steps, step))
            for i in range(max(0, at - 1), min(len(steps), at + 1)):
                one = (abs(float(steps[i]) - step), int(steps[i]), float(values[i]))
                found = one if found is None or one[0] < found[0] else found
        if found is None:
            return None
        return Point(found[1], self.x_of(found[1], Axis.EPOCH), self.x_of(found[1], Axis.TIME), found[2])

    def values(self, metric: str) -> tuple[Ints, Floats]:
        """Every step and value of a metric, in order."""
        found = [part.metrics[metric] for part in self._all if metric in part.metrics]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros(0, np.int64), *(s for s, _ in found)]), np.concatenate(
            [np.zeros(0), *(v for _, v in found)]
        )

    def steps_from(self, edges: Floats, axis: Axis) -> Ints:
        """The first step that stands at or after each edge, and for the last edge the first one beyond it."""
        first = np.ceil(self._steps_at(edges, axis) - 1e-6)
        first[-1] = np.floor(self._steps_at(edges[-1:], axis)[0] + 1e-6) + 1
        return np.maximum.accumulate(np.clip(first, 0, 2.0**62)).astype(np.int64)

    def extremes(self, metric: str) -> Extremes | None:
        """Of the finite values; None where there are none."""
        low: tuple[float, int] | None = None
        high: tuple[float, int] | None = None
        for part in self._all:
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            fine = np.where(np.isfinite(values), values, np.nan)
            if np.isnan(fine).all():
                continue
            a, b = int(np.nanargmin(fine)), int(np.nanargmax(fine))
            low = (float(values[a]), int(steps[a])) if low is None or values[a] < low[0] else low
            high = (float(values[b]), int(steps[b])) if high is None or values[b] > high[0] else high
        return Extremes(*low, *high) if low and high else None

    # Axes

    def _map(self, axis: Axis) -> tuple[Floats, Floats]:
        """Steps and their x, with a straight line between each two; empty where the axis is not known."""
        if axis not in self._maps:
            self._maps[axis] = self._mapped(axis)
        return self._maps[axis]

    def _mapped(self, axis: Axis) -> tuple[Floats, Floats]:
        end = float(max(1, self.last_step))
        if axis is Axis.STEP:
            return np.array([0.0, end]), np.array([0.0, end])
        if axis is Axis.SAMPLES:
            return _line(end, self.batch_size)
        if axis is Axis.EPOCH and self.steps_per_epoch:
            return _line(end, 1 / self.steps_per_epoch)
        if not self._parts:
            return np.zeros(0), np.zeros(0)
        steps = np.concatenate([part.steps for part in self._parts])
        if axis is Axis.EPOCH:
            return epochs_of(steps, np.concatenate([part.epochs for part in self._parts]))
        times = np.concatenate([part.times for part in self._parts])
        known = np.isfinite(times)
        return steps[known].astype(np.float64), seconds_of(steps[known], times[known], self.attempts)

    def _steps_at(self, xs: Floats, axis: Axis) -> Floats:
        """The steps that stand at `xs`; beyond both ends, steps that the run does not have."""
        steps, at = self._map(axis)
        if axis is Axis.STEP:
            return xs
        if not len(steps):
            return np.full(len(xs), -1.0)
        found = np.interp(xs, at, steps)
        found = np.where(xs < at[0], np.minimum(found, steps[0]) - 1, found)
        return np.where(xs > at[-1], float(self.last_step) + 1, found)


def _line(end: float, slope: float | None) -> tuple[Floats, Floats]:
    return (np.array([0.0, end]), np.array([0.0, end * slope])) if slope else (np.zeros(0), np.zeros(0))


def _without_doubles(part: Columns, following: Columns) -> Columns:
    """A part without what the one after it has anew of the step at which they meet."""
    metrics = dict(part.metrics)
    levels = dict(part.levels)
    for name, (steps, values) in part.metrics.items():
        if name in following.metrics and steps[-1] == following.metrics[name][0][0]:
            metrics[name] = (steps[:-1], values[:-1])
            levels.pop(name, None)
            if len(steps) == 1:
                del metrics[name]
    end = len(part.steps) - int(part.steps[-1] == following.steps[0])
    return Columns(part.steps[:end], part.epochs[:end], part.times[:end], metrics, levels)
