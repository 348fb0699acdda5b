"""A run's curves for drawing: any stretch of any metric, over steps, epochs, time or samples, with nothing left out.

A long record is opened as `opening` describes; what is appended is read as it comes. Needs NumPy: only the screens that
draw curves import it. It blocks on files, so that `poll` belongs into a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.axes import Axis as Axis
from imgexp_tui.records.metrics.axes import AxisMaps
from imgexp_tui.records.metrics.columns import MetricColumns, attempt_first_steps, load_columns, resumptions
from imgexp_tui.records.metrics.jsonl_columns import rows_of_records, rows_of_source
from imgexp_tui.records.metrics.minmax import Floats, Ints
from imgexp_tui.records.metrics.opening import RecordOpening
from imgexp_tui.records.metrics.parts import ColumnParts, Extremes
from imgexp_tui.records.metrics.snapshot import Snapshot
from imgexp_tui.records.metrics.source import LONG_RECORD_BYTES, MetricSource, Record
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.system.columns import SystemSeries


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


class MetricHistory:
    """The curves of one run. Not safe for use by several threads at a time.

    Args:
        run_dir: the run's folder.
        source: where its metrics are read from; by default what `source_registry` chooses.

    Attributes:
        request, plan: what was asked, and what its trainer planned; None and {} before.
        attempt_starts: attempt → its first step, for the attempts after the first.
        revision: changes when anything else does.
    """

    def __init__(self, run_dir: RunDir, source: MetricSource | None = None) -> None:
        self.run_dir = run_dir
        self.request: Request | None = None
        self.plan: dict[str, Any] = {}
        self.attempt_starts: dict[int, int] = {}
        self.revision = 0
        self._source = source or open_source(run_dir)
        self._opening = RecordOpening(run_dir, self._source, is_queued=False)
        self._events_tail = LineTail(run_dir.events)
        self._resumptions: list[tuple[int, float]] = []
        self._system_series = SystemSeries(run_dir.system)
        self._parts = ColumnParts()
        self._cached_maps: AxisMaps | None = None
        self._position = self._identity = 0

    @property
    def is_partial(self) -> bool:
        """Whether the curves are drawn from samples, while the whole record is being read."""
        return self._opening.is_partial

    def poll(self) -> bool:
        """Read what was added. True where anything changed."""
        self.request = self.request or Request.read(self.run_dir)
        changed = self._poll_events()
        changed = self._poll_system() or changed
        changed = self._opening.poll(self) or changed
        stat = None if self.is_partial else self._source.stat()
        if stat is None:
            return changed
        if self._identity not in (0, stat.identity) or stat.size < self._position:
            self._reset()
            changed = True
        self._identity = stat.identity
        if self._opening.open_if_long(self, self._position):
            return True
        return self._read_appended(stat.size) or changed

    def load_snapshot(self, snapshot: Snapshot) -> None:
        """Put a snapshot's columns in place of what was read so far.

        Raises:
            SnapshotDamaged, OSError: it cannot be read; nothing has changed.
        """
        columns = load_columns(snapshot)
        self._position = snapshot.prefix.offset
        self._set_parts([columns])

    def load_samples(self, records: list[Record]) -> None:
        """Show samples of the record."""
        self._parts.append(rows_of_records(records))
        self._parts_changed()

    def clear_metrics(self) -> None:
        """Forget the samples."""
        self._position = 0
        self._set_parts([])

    def _poll_system(self) -> bool:
        if not self._system_series.poll():
            return False
        self._parts.sampled = None
        self.revision += 1
        return True

    def _poll_events(self) -> bool:
        """Read the events of trainer and supervisor; True where the axes or marks may differ."""
        changed = False
        while events := self._events_tail.poll():
            resumed = resumptions(events)
            self._resumptions = ([] if self._events_tail.restarted else self._resumptions) + resumed
            plans = [event for event in events if event.get("kind") == "plan"]
            self.plan = plans[-1] if plans else self.plan
            changed = changed or bool(resumed or plans)
        if changed:
            self._cached_maps = None
            self._update_attempt_starts()
            self.revision += 1
        return changed

    def _read_appended(self, size: int) -> bool:
        """Read on, about `LONG_RECORD_BYTES` at most."""
        if size <= self._position:
            return False
        try:
            rows, position = rows_of_source(self._source, self._position, min(size, self._position + LONG_RECORD_BYTES))
        except OSError:
            return False
        if position == self._position:
            return False
        self._position = position
        self._parts.append(rows)
        self._parts_changed()
        return True

    def _reset(self) -> None:
        """Forget everything: the source was replaced."""
        self._opening.reset()
        self.attempt_starts = {}
        self.clear_metrics()

    def _set_parts(self, parts: list[MetricColumns]) -> None:
        self._parts = ColumnParts(parts)
        self._parts_changed()

    def _parts_changed(self) -> None:
        self._parts.sampled, self._cached_maps = None, None
        self.revision += 1
        self._update_attempt_starts()

    def _update_attempt_starts(self) -> None:
        if self._resumptions and self._parts:
            self.attempt_starts = attempt_first_steps(self._resumptions, self._parts.steps, self._parts.times)

    @property
    def steps_per_epoch(self) -> int | None:
        """As planned; None where the plan does not say, so that epochs are as long as their records show."""
        count = self.plan.get("steps_per_epoch")
        return count if isinstance(count, int) and count > 0 else None

    @property
    def batch_size(self) -> int | None:
        """Samples a step; None where it is unknown, so that there is no axis of samples."""
        size = (self.request.config if self.request else {}).get("batch_size")
        return size if isinstance(size, int) and size > 0 else None

    @property
    def metric_names(self) -> list[str]:
        """The names, in the order in which they first came; then those of the supervisor's samples."""
        return self._all_parts.metric_names

    @property
    def last_step(self) -> int:
        """The step of the latest record; 0 before one."""
        return self._parts.last_step

    @property
    def _all_parts(self) -> ColumnParts:
        """The records, with the supervisor's samples beside them."""
        if self._parts.sampled is None:
            self._parts.sampled = self._system_series.columns(self._parts.steps, self._parts.times)
        return self._parts

    @property
    def _maps(self) -> AxisMaps:
        if self._cached_maps is None:
            self._cached_maps = AxisMaps(self._parts, self.steps_per_epoch, self.batch_size, self.attempt_starts)
        return self._cached_maps

    def steps_in_seconds(self, first: float, last: float) -> tuple[int, int]:
        """The steps that were done a number of seconds after the supervisor's first sample."""
        steps, times = self._parts.steps, self._parts.times
        done = [steps[times <= self._system_series.time_at(seconds)] for seconds in (first, last)]
        return int(done[0][-1]) if len(done[0]) else 0, int(done[1][-1]) if len(done[1]) else 0

    def axes(self) -> list[Axis]:
        """The axes that the record has anything for."""
        return self._maps.known_axes()

    def x_range(self, axis: Axis = Axis.STEP) -> tuple[float, float]:
        """The lowest and the highest x; (0, 0) before there is any."""
        return (0.0, float(self.x_of(self.last_step, axis))) if self.last_step else (0.0, 0.0)

    def x_of(self, step: float, axis: Axis = Axis.STEP) -> float:
        """The x of a step on an axis; nan where the axis is not known."""
        return self._maps.x_of(step, axis)

    def step_at(self, x: float, axis: Axis = Axis.STEP) -> float:
        """The step at `x`; before or after all steps where the run does not reach there."""
        return float(self._maps.steps_at(np.array([x]), axis)[0])

    def first_steps_at(self, edges: Floats, axis: Axis) -> Ints:
        """The first step at or after each edge, and for the last edge the first step beyond it."""
        return self._maps.first_steps_at(edges, axis)

    def buckets_between(self, metric: str, x0: float, x1: float, max_buckets: int, axis: Axis = Axis.STEP) -> Buckets:
        """A metric from `x0` to `x1`, both included, in at most `max_buckets` stretches of equal width."""
        return self.buckets_at(metric, np.linspace(x0, x1, max(1, max_buckets) + 1), axis)

    def buckets_at(self, metric: str, edges: Floats, axis: Axis = Axis.STEP) -> Buckets:
        """A metric in the stretches between rising edges; the last edge belongs to the last stretch."""
        first = self.first_steps_at(edges, axis)
        stats, last = self._all_parts.range_stats(metric, first)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = stats.total / (stats.count - stats.not_finite)
        before = self._nearest_outside(metric, int(first[0]), axis, later=False)
        after = self._nearest_outside(metric, int(first[-1]), axis, later=True)
        return Buckets(edges, stats.low, stats.high, mean, last, stats.count, stats.not_finite, before, after)

    def nearest_point(self, metric: str, x: float, axis: Axis = Axis.STEP) -> MetricPoint | None:
        """The value that is nearest to `x`; None where the metric has no value."""
        nearest = self._all_parts.nearest(metric, self.step_at(x, axis))
        if nearest is None:
            return None
        step, value = nearest
        return MetricPoint(step, self.x_of(step, Axis.EPOCH), self.x_of(step, Axis.TIME), value)

    def values(self, metric: str) -> tuple[Ints, Floats]:
        """Every step and value of a metric, in order."""
        return self._all_parts.values(metric)

    def extremes(self, metric: str) -> Extremes | None:
        """The lowest and the highest finite value of a metric; None where there are none."""
        return self._all_parts.extremes(metric)

    def _nearest_outside(self, metric: str, step: int, axis: Axis, *, later: bool) -> tuple[float, float] | None:
        """x and value of the nearest finite value before a step, or at and after it."""
        nearest = self._all_parts.nearest_outside(metric, step, later=later)
        return nearest and (self.x_of(nearest[0], axis), nearest[1])
