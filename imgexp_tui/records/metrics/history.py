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
    MetricColumns,
    append_rows,
    attempt_first_steps,
    epochs_at_steps,
    first_void_step,
    load_columns,
    resumptions,
    training_seconds,
)
from imgexp_tui.records.metrics.jsonl_columns import MetricRows, concatenate_rows, parse_rows, read_rows
from imgexp_tui.records.metrics.minmax import Floats, Ints, RangeStats
from imgexp_tui.records.metrics.sampling import LONG_RECORD_BYTES, sample_lines
from imgexp_tui.records.metrics.snapshot import Snapshot, SnapshotDamaged, open_snapshot
from imgexp_tui.records.metrics.snapshot_job import SnapshotJob
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.system.columns import SystemSeries

_MAX_PART_ROWS = 1 << 16
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
        count, not_finite: how many values there are, and how many are not finite.
        point_before, point_after: x and value of the nearest finite values outside, so that a line can leave the
            picture.
    """

    edges: Floats
    low: Floats
    high: Floats
    mean: Floats
    last: Floats
    count: Ints
    not_finite: Ints
    point_before: tuple[float, float] | None = None
    point_after: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class MetricPoint:
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


class MetricHistory:
    """The curves of one run. Not safe for use by several threads at a time.

    Attributes:
        request, plan: what was asked, and what its trainer said of itself; None and {} before.
        is_partial: what is there is a sample; the whole is on its way.
        attempt_starts: attempt → its first step, for the attempts after the first.
        revision: changes when anything else does.
    """

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.request: Request | None = None
        self.plan: dict[str, Any] = {}
        self.is_partial = False
        self.attempt_starts: dict[int, int] = {}
        self.revision = 0
        self._events_tail = LineTail(run_dir.events)
        self._resumptions: list[tuple[int, float]] = []
        self._parts: list[MetricColumns] = []
        self._system_series = SystemSeries(run_dir.system)
        self._system_columns: MetricColumns | None = None
        self._axis_maps: dict[Axis, tuple[Floats, Floats]] = {}
        self._snapshot_job: SnapshotJob | None = None
        self._offset = self._inode = 0
        self._reads_directly = False

    # Reading

    def poll(self) -> bool:
        """Read what was added. True where anything changed."""
        self.request = self.request or Request.read(self.run_dir)
        changed = self._poll_events()
        changed = self._poll_system() or changed
        changed = self._poll_snapshot_job() or changed
        if self.is_partial:
            return changed
        try:
            status = self.run_dir.metrics.stat()
        except OSError:
            return changed
        if self._inode not in (0, status.st_ino) or status.st_size < self._offset:
            self._reset()
            changed = True
        self._inode = status.st_ino
        if status.st_size - self._offset > LONG_RECORD_BYTES and not self._reads_directly:
            self._open_long_record(status.st_size)
            return True
        return self._read_appended(status.st_size) or changed

    def _poll_system(self) -> bool:
        if not self._system_series.poll():
            return False
        self._system_columns = None
        self.revision += 1
        return True

    def _reset(self) -> None:
        """Forget all: the record is another."""
        self._parts, self._snapshot_job, self._system_columns = [], None, None
        self._axis_maps.clear()
        self._offset = 0
        self._reads_directly = self.is_partial = False
        self.attempt_starts = {}
        self.revision += 1

    def _open_long_record(self, size: int) -> None:
        """Stand on the snapshot, or on samples until there is one that is new enough."""
        there = open_snapshot(self.run_dir.cache, self.run_dir.metrics)
        if there and self._load_snapshot(there) and size - self._offset <= LONG_RECORD_BYTES:
            return
        if not self._parts:
            with contextlib.suppress(OSError):
                pieces = [parse_rows(piece) for piece in sample_lines(self.run_dir.metrics, size)]
                self._set_parts([append_rows(MetricColumns(), concatenate_rows(pieces))])
        self._snapshot_job = SnapshotJob(self.run_dir)
        self.is_partial = True

    def _poll_snapshot_job(self) -> bool:
        if self._snapshot_job is None:
            return False
        found = self._snapshot_job.poll()
        if found is None and not self._snapshot_job.failed:
            return False
        self._snapshot_job, self.is_partial = None, False
        if found is None or not self._load_snapshot(found):
            # Nobody else could: the whole is read here, piece by piece.
            self._parts, self._offset, self._reads_directly = [], 0, True
        return True

    def _load_snapshot(self, snapshot: Snapshot) -> bool:
        """Stand on a snapshot; False where it is damaged."""
        try:
            columns = load_columns(snapshot)
        except (SnapshotDamaged, OSError):
            return False
        finally:
            snapshot.close()
        self._offset = snapshot.source.offset
        self._set_parts([columns])
        return True

    def _read_appended(self, size: int) -> bool:
        """Read on, at most `LONG` bytes."""
        if size <= self._offset:
            return False
        try:
            rows, offset = read_rows(self.run_dir.metrics, self._offset, min(size, self._offset + LONG_RECORD_BYTES))
        except OSError:
            return False
        if offset == self._offset:
            return False
        self._offset = offset
        self._add_rows(rows)
        return True

    def _add_rows(self, rows: MetricRows) -> None:
        """Lines that follow. Where they go back, what stood there is cut from every part."""
        if not len(rows):
            return
        parts = self._parts
        if parts:
            void = first_void_step(parts[-1], rows)
            parts = [part for part in (part.before_step(void) for part in parts) if len(part.steps)]
        grows = bool(parts) and len(parts[-1].steps) < _MAX_PART_ROWS
        tail = append_rows(parts[-1] if grows else MetricColumns(), rows)
        parts = parts[:-1] if grows else parts
        if parts:
            parts = [*parts[:-1], _without_overlap(parts[-1], tail)]
        self._set_parts([*parts, tail])

    def _set_parts(self, parts: list[MetricColumns]) -> None:
        self._parts, self._system_columns = parts, None
        self._axis_maps.clear()
        self.revision += 1
        self._update_attempt_starts()

    def _poll_events(self) -> bool:
        """Read what trainer and supervisor told; True where the axes or marks may differ."""
        changed = False
        while events := self._events_tail.poll():
            resumed = resumptions(events)
            self._resumptions = ([] if self._events_tail.restarted else self._resumptions) + resumed
            plans = [event for event in events if event.get("kind") == "plan"]
            self.plan = plans[-1] if plans else self.plan
            changed = changed or bool(resumed or plans)
        if changed:
            self._axis_maps.clear()
            self._update_attempt_starts()
            self.revision += 1
        return changed

    def _update_attempt_starts(self) -> None:
        if self._resumptions and self._parts:
            steps, times = (np.concatenate([getattr(p, name) for p in self._parts]) for name in ("steps", "times"))
            self.attempt_starts = attempt_first_steps(self._resumptions, steps, times)

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
        return list(dict.fromkeys(name for part in self._all_parts for name in part.metrics))

    @property
    def _all_parts(self) -> list[MetricColumns]:
        """The parts, and what was sampled meanwhile."""
        if self._system_columns is None:
            whole = [MetricColumns(), *self._parts]
            steps, times = np.concatenate([p.steps for p in whole]), np.concatenate([p.times for p in whole])
            self._system_columns = self._system_series.columns(steps, times)
        return [*self._parts, self._system_columns]

    def steps_in_seconds(self, first: float, last: float) -> tuple[int, int]:
        """The steps that had been done so many seconds after the supervisor's first sample."""
        whole = [MetricColumns(), *self._parts]
        steps, times = np.concatenate([p.steps for p in whole]), np.concatenate([p.times for p in whole])
        done = [steps[times <= self._system_series.time_at(seconds)] for seconds in (first, last)]
        return int(done[0][-1]) if len(done[0]) else 0, int(done[1][-1]) if len(done[1]) else 0

    @property
    def last_step(self) -> int:
        """Of the latest line; 0 before one."""
        return int(self._parts[-1].steps[-1]) if self._parts and len(self._parts[-1].steps) else 0

    def axes(self) -> list[Axis]:
        """The axes that there is something for."""
        found = [Axis.STEP]
        for axis in (Axis.EPOCH, Axis.TIME, Axis.SAMPLES):
            steps, _ = self._axis_map(axis)
            if len(steps) > 1:
                found.append(axis)
        return found

    def x_range(self, axis: Axis = Axis.STEP) -> tuple[float, float]:
        """The lowest and the highest x; (0, 0) before there is any."""
        return (0.0, float(self.x_of(self.last_step, axis))) if self.last_step else (0.0, 0.0)

    def x_of(self, step: float, axis: Axis = Axis.STEP) -> float:
        """Where a step stands on an axis; nan where that axis is not known."""
        if axis is Axis.STEP:
            return float(step)
        steps, xs = self._axis_map(axis)
        return float(np.interp(step, steps, xs)) if len(steps) else math.nan

    def buckets_between(self, metric: str, x0: float, x1: float, max_buckets: int, axis: Axis = Axis.STEP) -> Buckets:
        """A metric from `x0` to `x1`, both included, in at most `max_buckets` stretches of equal width."""
        return self.buckets_at(metric, np.linspace(x0, x1, max(1, max_buckets) + 1), axis)

    def buckets_at(self, metric: str, edges: Floats, axis: Axis = Axis.STEP) -> Buckets:
        """A metric in the stretches between rising edges; the last edge belongs to the last stretch."""
        first = self.first_steps_at(edges, axis)
        found: RangeStats | None = None
        last = np.full(len(edges) - 1, np.nan)
        for part in self._all_parts:
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            at = np.searchsorted(steps, first)
            here = part.pyramid(metric).range_stats(at[:-1], at[1:])
            some = at[1:] > at[:-1]
            last[some] = values[at[1:][some] - 1]
            found = here if found is None else found.merged(here)
        if found is None:
            nothing = np.zeros(len(last))
            found = RangeStats(last, last, nothing, nothing.astype(np.int64), nothing.astype(np.int64))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = found.total / (found.count - found.not_finite)
        before = self._nearest_outside(metric, int(first[0]), axis, later=False)
        after = self._nearest_outside(metric, int(first[-1]), axis, later=True)
        return Buckets(edges, found.low, found.high, mean, last, found.count, found.not_finite, before, after)

    def _nearest_outside(self, metric: str, step: int, axis: Axis, *, later: bool) -> tuple[float, float] | None:
        """The nearest finite value before a step, or at and after it."""
        for part in self._all_parts if later else reversed(self._all_parts):
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

    def nearest_point(self, metric: str, x: float, axis: Axis = Axis.STEP) -> MetricPoint | None:
        """The value that is nearest to `x`; None where the metric has none."""
        step = self.step_at(x, axis)
        found: tuple[float, int, float] | None = None
        for part in self._all_parts:
            if metric not in part.metrics:
                continue
            steps, values = part.metrics[metric]
            at = int(np.searchsorted(steps, step))
            for i in range(max(0, at - 1), min(len(steps), at + 1)):
                one = (abs(float(steps[i]) - step), int(steps[i]), float(values[i]))
                found = one if found is None or one[0] < found[0] else found
        if found is None:
            return None
        return MetricPoint(found[1], self.x_of(found[1], Axis.EPOCH), self.x_of(found[1], Axis.TIME), found[2])

    def values(self, metric: str) -> tuple[Ints, Floats]:
        """Every step and value of a metric, in order."""
        found = [part.metrics[metric] for part in self._all_parts if metric in part.metrics]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros(0, np.int64), *(s for s, _ in found)]), np.concatenate(
            [np.zeros(0), *(v for _, v in found)]
        )

    def first_steps_at(self, edges: Floats, axis: Axis) -> Ints:
        """The first step that stands at or after each edge, and for the last edge the first one beyond it."""
        first = np.ceil(self._steps_at(edges, axis) - 1e-6)
        first[-1] = np.floor(self._steps_at(edges[-1:], axis)[0] + 1e-6) + 1
        return np.maximum.accumulate(np.clip(first, 0, 2.0**62)).astype(np.int64)

    def extremes(self, metric: str) -> Extremes | None:
        """Of the finite values; None where there are none."""
        low: tuple[float, int] | None = None
        high: tuple[float, int] | None = None
        for part in self._all_parts:
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

    def _axis_map(self, axis: Axis) -> tuple[Floats, Floats]:
        """Steps and their x, with a straight line between each two; empty where the axis is not known."""
        if axis not in self._axis_maps:
            self._axis_maps[axis] = self._compute_axis_map(axis)
        return self._axis_maps[axis]

    def _compute_axis_map(self, axis: Axis) -> tuple[Floats, Floats]:
        end = float(max(1, self.last_step))
        if axis is Axis.STEP:
            return np.array([0.0, end]), np.array([0.0, end])
        if axis is Axis.SAMPLES:
            return _straight_map(end, self.batch_size)
        if axis is Axis.EPOCH and self.steps_per_epoch:
            return _straight_map(end, 1 / self.steps_per_epoch)
        if not self._parts:
            return np.zeros(0), np.zeros(0)
        steps = np.concatenate([part.steps for part in self._parts])
        if axis is Axis.EPOCH:
            return epochs_at_steps(steps, np.concatenate([part.epochs for part in self._parts]))
        times = np.concatenate([part.times for part in self._parts])
        known = np.isfinite(times)
        return steps[known].astype(np.float64), training_seconds(steps[known], times[known], self.attempt_starts)

    def _steps_at(self, xs: Floats, axis: Axis) -> Floats:
        """The steps that stand at `xs`; beyond both ends, steps that the run does not have."""
        steps, at = self._axis_map(axis)
        if axis is Axis.STEP:
            return xs
        if not len(steps):
            return np.full(len(xs), -1.0)
        found = np.interp(xs, at, steps)
        found = np.where(xs < at[0], np.minimum(found, steps[0]) - 1, found)
        return np.where(xs > at[-1], float(self.last_step) + 1, found)


def _straight_map(end: float, slope: float | None) -> tuple[Floats, Floats]:
    return (np.array([0.0, end]), np.array([0.0, end * slope])) if slope else (np.zeros(0), np.zeros(0))


def _without_overlap(part: MetricColumns, following: MetricColumns) -> MetricColumns:
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
    return MetricColumns(part.steps[:end], part.epochs[:end], part.times[:end], metrics, levels)
