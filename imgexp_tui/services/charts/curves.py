"""Computes the curves of a chart from the metric histories of runs, one value per column. Needs NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.records.metrics.history import Axis, Buckets, MetricHistory
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, MetricTable
from imgexp_tui.records.metrics.minmax import Floats
from imgexp_tui.records.metrics.smoothing import smoothed
from imgexp_tui.services.charts.run_groups import RunGroup
from imgexp_tui.views.charts.gradients import LayerNorms, RunGradients
from imgexp_tui.views.charts.model import BAND_MODES, GRADIENT_PREFIX, BestPoint, CursorReading, PlottedCurve


@dataclass(frozen=True, slots=True)
class AxisWindow:
    """The visible part of an axis.

    Attributes:
        edges: x of the edges of its columns, one more than there are columns.
        cursor: x of the cursor; None without one.
    """

    axis: Axis
    edges: Floats
    cursor: float | None = None


class PlottedCurveBuilder:
    """Builds curves, and caches what is slow to compute: smoothed values and the extremes of whole runs.

    Args:
        metrics: the lab's table of metrics, which says what a best is.
    """

    def __init__(self, metrics: MetricTable = DEFAULT_METRICS) -> None:
        self.metrics = metrics
        self._smoothed_cache: dict[tuple[MetricHistory, str, float], tuple[int, Floats]] = {}
        self._best_cache: dict[tuple[MetricHistory, str], tuple[int, tuple[int, float] | None]] = {}

    def build(
        self, group: RunGroup, metric: str, role: str, window: AxisWindow, smoothing: float, band_mode: str
    ) -> list[PlottedCurve]:
        """The curves of one metric: one for a run, one for a group with a band, or one for each run of a group."""
        runs = [run for run in group.runs if metric in run.metric_names]
        if not runs:
            return []
        if len(runs) == 1:
            return [self._run_curve(group.name, runs[0], metric, role, window, smoothing)]
        if band_mode == BAND_MODES[2]:
            return [
                self._run_curve(f"{group.name} seed {_seed(run)}", run, metric, role, window, smoothing) for run in runs
            ]
        return [self._group_curve(group.name, runs, metric, role, window, smoothing, band_mode)]

    def _run_curve(
        self, name: str, run: MetricHistory, metric: str, role: str, window: AxisWindow, smoothing: float
    ) -> PlottedCurve:
        axis, edges = window.axis, window.edges
        buckets = run.buckets_at(metric, edges, axis)
        return PlottedCurve(
            name=name,
            entry=self.metrics[metric],
            role=role,
            low=tuple(buckets.low.tolist()),
            high=tuple(buckets.high.tolist()),
            non_finite=tuple((buckets.not_finite > 0).tolist()),
            line=tuple(self._smoothed(run, metric, window, smoothing).tolist()) if smoothing else (),
            point_before=buckets.point_before,
            point_after=buckets.point_after,
            best=self._best_point(run, metric, axis),
            attempt_starts=tuple(run.x_of(step, axis) for step in run.attempt_starts.values()),
            cursor_reading=self._cursor_reading(run, metric, window, buckets),
            non_finite_count=int(buckets.not_finite.sum()),
        )

    def _group_curve(
        self,
        name: str,
        runs: list[MetricHistory],
        metric: str,
        role: str,
        window: AxisWindow,
        smoothing: float,
        band_mode: str,
    ) -> PlottedCurve:
        buckets = [run.buckets_at(metric, window.edges, window.axis) for run in runs]
        lines = [
            self._smoothed(run, metric, window, smoothing) if smoothing else _interpolated_means(one)
            for run, one in zip(runs, buckets, strict=True)
        ]
        table = np.vstack(lines)
        known = np.isfinite(table)
        count = known.sum(axis=0)
        filled = np.where(known, table, 0.0)
        mean = np.where(count > 0, filled.sum(axis=0) / np.maximum(count, 1), np.nan)
        if band_mode == BAND_MODES[0]:
            low, high = _extremes(buckets, table)
        else:
            spread = np.where(known, table - mean, 0.0) ** 2
            std = np.sqrt(spread.sum(axis=0) / np.maximum(count - 1, 1))
            low, high = mean - std, mean + std
        return PlottedCurve(
            name=f"{name} ×{len(runs)}",
            entry=self.metrics[metric],
            role=role,
            low=tuple(mean.tolist()),
            high=tuple(mean.tolist()),
            non_finite=tuple(np.any([one.not_finite > 0 for one in buckets], axis=0).tolist()),
            band=(tuple(low.tolist()), tuple(high.tolist())),
            cursor_reading=_combine_readings(
                [self._cursor_reading(run, metric, window, one) for run, one in zip(runs, buckets, strict=True)]
            ),
            run_count=len(runs),
            non_finite_count=sum(int(one.not_finite.sum()) for one in buckets),
        )

    def _smoothed(self, run: MetricHistory, metric: str, window: AxisWindow, strength: float) -> Floats:
        """The moving average over all values, at the end of each column; nan for a column without a value."""
        steps, values = run.values(metric)
        version, smooth_values = self._smoothed_cache.get((run, metric, strength), (-1, values))
        if version != run.revision:
            smooth_values = smoothed(values, strength)
            if len(self._smoothed_cache) > 32:
                self._smoothed_cache.clear()
            self._smoothed_cache[run, metric, strength] = run.revision, smooth_values
        at = np.searchsorted(steps, run.first_steps_at(window.edges, window.axis))
        some = at[1:] > at[:-1]
        out = np.full(len(some), np.nan)
        out[some] = smooth_values[at[1:][some] - 1]
        return out

    def _best_point(self, run: MetricHistory, metric: str, axis: Axis) -> BestPoint | None:
        """The best value of a metric; None for a metric without a goal."""
        goal = self.metrics[metric].goal
        if goal is None:
            return None
        version, best = self._best_cache.get((run, metric), (-1, None))
        if version != run.revision:
            extremes = run.extremes(metric)
            best = None
            if extremes:
                best = (extremes.high_step, extremes.high) if goal is Goal.HIGHER else (extremes.low_step, extremes.low)
            self._best_cache[run, metric] = run.revision, best
        return best and BestPoint(run.x_of(best[0], axis), best[1], best[0], run.x_of(best[0], Axis.EPOCH))

    def _cursor_reading(
        self, run: MetricHistory, metric: str, window: AxisWindow, buckets: Buckets
    ) -> CursorReading | None:
        """The value nearest to the cursor, with the extremes of its cell; without a cursor, the latest value."""
        x = window.cursor
        near = run.nearest_point(metric, run.x_of(run.last_step, window.axis) if x is None else x, window.axis)
        if near is None:
            return None
        low = high = near.value
        count = 1
        if x is not None:
            column = int(np.searchsorted(window.edges, x, side="right")) - 1
            cell = slice(column // 2 * 2, column // 2 * 2 + 2)
            count = int(buckets.count[cell].sum())
            low, high = float(_finite_min(buckets.low[cell])), float(-_finite_min(-buckets.high[cell]))
        return CursorReading(near.step, near.epoch, near.seconds, near.value, low, high, count)


def run_gradients(name: str, run: MetricHistory, role: str, window: AxisWindow) -> RunGradients:
    """The gradient norms of a run's layers, from input to output; a column of `window` is one cell wide."""
    metrics = sorted(metric for metric in run.metric_names if metric.startswith(GRADIENT_PREFIX))
    layers, step = [], 0
    for metric in metrics:
        buckets = run.buckets_at(metric, window.edges, window.axis)
        x = run.x_of(run.last_step, window.axis) if window.cursor is None else window.cursor
        near = run.nearest_point(metric, x, window.axis)
        step = max(step, near.step if near else 0)
        short = metric.removeprefix(GRADIENT_PREFIX)
        # The number in front is for sorting only.
        short = short.partition(".")[2] if short[:2].isdigit() and "." in short else short
        course, broken = tuple(buckets.high.tolist()), tuple((buckets.not_finite > 0).tolist())
        layers.append(LayerNorms(short, near.value if near else math.nan, course, broken))
    return RunGradients(name, role, step, tuple(layers))


def _finite_min(values: Floats) -> float:
    fine = values[np.isfinite(values)]
    return float(fine.min()) if len(fine) else math.nan


def _interpolated_means(buckets: Buckets) -> Floats:
    """The means of the columns, interpolated linearly over columns without a value."""
    known = np.flatnonzero(np.isfinite(buckets.mean))
    if not len(known):
        return buckets.mean
    columns = np.arange(len(buckets.mean))
    out: Floats = np.interp(columns, known, buckets.mean[known])
    if buckets.point_before is None:
        out[: known[0]] = np.nan
    if buckets.point_after is None:
        out[known[-1] + 1 :] = np.nan
    return out


def _extremes(buckets: list[Buckets], table: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest value of all runs in each column, interpolated values included."""
    low = np.fmin.reduce([*(one.low for one in buckets), *table])
    high = np.fmax.reduce([*(one.high for one in buckets), *table])
    return low, high


def _combine_readings(readings: list[CursorReading | None]) -> CursorReading | None:
    """The mean of several runs at the cursor, with the lowest and the highest value."""
    present = [one for one in readings if one]
    fine = [one.value for one in present if math.isfinite(one.value)]
    if not present or not fine:
        return present[0] if present else None
    first = present[0]
    mean = sum(fine) / len(fine)
    return CursorReading(first.step, first.epoch, first.seconds, mean, min(fine), max(fine), len(fine))


def _seed(run: MetricHistory) -> str:
    return str(run.request.seed) if run.request else "?"
