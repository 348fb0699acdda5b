"""Turns the series of runs into curves of so many columns. Needs NumPy; for the thread that reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imgexp_tui.records.metrics.history import Axis, Buckets, RunSeries
from imgexp_tui.records.metrics.minmax import Floats
from imgexp_tui.records.metrics.smoothing import smoothed
from imgexp_tui.services.charts.run_groups import Group
from imgexp_tui.views.charts.gradients import Depth, Layer
from imgexp_tui.views.charts.model import BANDS, GRADIENTS, Curve, Mark, Read


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an axis that is in sight: edges of its columns, and where the cursor stands on it."""

    axis: Axis
    edges: Floats
    cursor: float | None = None


class CurveMaker:
    """Makes curves, and keeps what is dear to make anew: the smoothed rows and the extremes of whole runs."""

    def __init__(self) -> None:
        self._smooth: dict[tuple[RunSeries, str, float], tuple[int, Floats]] = {}
        self._best: dict[tuple[RunSeries, str], tuple[int, tuple[int, float] | None]] = {}

    def curves(self, group: Group, metric: str, place: int, window: Window, smooth: float, band: str) -> list[Curve]:
        """The curves of one metric: of a run, of a group as one, or of each of its runs in one colour."""
        runs = [run for run in group.runs if metric in run.metrics]
        if not runs:
            return []
        if len(runs) == 1:
            return [self._one(group.name, runs[0], metric, place, window, smooth)]
        if band == BANDS[2]:
            return [self._one(f"{group.name} seed {_seed(run)}", run, metric, place, window, smooth) for run in runs]
        return [self._several(group.name, runs, metric, place, window, smooth, band)]

    def _one(self, name: str, run: RunSeries, metric: str, place: int, window: Window, smooth: float) -> Curve:
        axis, edges = window.axis, window.edges
        found = run.between(metric, edges, axis)
        return Curve(
            name=name,
            metric=metric,
            place=place,
            low=tuple(found.low.tolist()),
            high=tuple(found.high.tolist()),
            broken=tuple((found.broken > 0).tolist()),
            line=tuple(self._smoothed(run, metric, window, smooth).tolist()) if smooth else (),
            before=found.before,
            after=found.after,
            best=self._mark(run, metric, axis),
            attempts=tuple(run.x_of(step, axis) for step in run.attempts.values()),
            read=self._read(run, metric, window, found),
            odd=int(found.broken.sum()),
        )

    def _several(
        self, name: str, runs: list[RunSeries], metric: str, place: int, window: Window, smooth: float, band: str
    ) -> Curve:
        found = [run.between(metric, window.edges, window.axis) for run in runs]
        lines = [
            self._smoothed(run, metric, window, smooth) if smooth else _whole(one)
            for run, one in zip(runs, found, strict=True)
        ]
        table = np.vstack(lines)
        known = np.isfinite(table)
        count = known.sum(axis=0)
        filled = np.where(known, table, 0.0)
        mean = np.where(count > 0, filled.sum(axis=0) / np.maximum(count, 1), np.nan)
        if band == BANDS[0]:
            low, high = _extremes(found, table)
        else:
            spread = np.where(known, table - mean, 0.0) ** 2
            std = np.sqrt(spread.sum(axis=0) / np.maximum(count - 1, 1))
            low, high = mean - std, mean + std
        return Curve(
            name=f"{name} ×{len(runs)}",
            metric=metric,
            place=place,
            low=tuple(mean.tolist()),
            high=tuple(mean.tolist()),
            broken=tuple(np.any([one.broken > 0 for one in found], axis=0).tolist()),
            band=(tuple(low.tolist()), tuple(high.tolist())),
            read=_read_of([self._read(run, metric, window, one) for run, one in zip(runs, found, strict=True)]),
            size=len(runs),
            odd=sum(int(one.broken.sum()) for one in found),
        )

    def _smoothed(self, run: RunSeries, metric: str, window: Window, strength: float) -> Floats:
        """The moving average over all values, as it stands at the end of each column."""
        steps, values = run.values(metric)
        version, found = self._smooth.get((run, metric, strength), (-1, values))
        if version != run.version:
            found = smoothed(values, strength)
            if len(self._smooth) > 32:
                self._smooth.clear()
            self._smooth[run, metric, strength] = run.version, found
        at = np.searchsorted(steps, run.steps_from(window.edges, window.axis))
        some = at[1:] > at[:-1]
        out = np.full(len(some), np.nan)
        out[some] = found[at[1:][some] - 1]
        return out

    def _mark(self, run: RunSeries, metric: str, axis: Axis) -> Mark | None:
        """The best of a loss or an accuracy; other metrics have none."""
        rises = metric.endswith("accuracy")
        if not rises and not metric.endswith("loss"):
            return None
        version, best = self._best.get((run, metric), (-1, None))
        if version != run.version:
            found = run.extremes(metric)
            best = None
            if found:
                best = (found.high_step, found.high) if rises else (found.low_step, found.low)
            self._best[run, metric] = run.version, best
        return best and Mark(run.x_of(best[0], axis), best[1], best[0], run.x_of(best[0], Axis.EPOCH))

    def _read(self, run: RunSeries, metric: str, window: Window, found: Buckets) -> Read | None:
        """What stands at the cursor, with the extremes of its cell; without a cursor, the latest value."""
        x = window.cursor
        near = run.near(metric, run.x_of(run.last_step, window.axis) if x is None else x, window.axis)
        if near is None:
            return None
        low = high = near.value
        count = 1
        if x is not None:
            column = int(np.searchsorted(window.edges, x, side="right")) - 1
            cell = slice(column // 2 * 2, column // 2 * 2 + 2)
            count = int(found.count[cell].sum())
            low, high = float(_least(found.low[cell])), float(-_least(-found.high[cell]))
        return Read(near.step, near.epoch, near.seconds, near.value, low, high, count)


def depth_of(name: str, run: RunSeries, place: int, window: Window) -> Depth:
    """The gradient norms of a run's layers, the first ones first; `window` has an edge for every cell."""
    metrics = sorted(metric for metric in run.metrics if metric.startswith(GRADIENTS))
    layers, step = [], 0
    for metric in metrics:
        found = run.between(metric, window.edges, window.axis)
        x = run.x_of(run.last_step, window.axis) if window.cursor is None else window.cursor
        near = run.near(metric, x, window.axis)
        step = max(step, near.step if near else 0)
        short = metric.removeprefix(GRADIENTS)
        # The number in front is there for the order.
        short = short.partition(".")[2] if short[:2].isdigit() and "." in short else short
        course, broken = tuple(found.high.tolist()), tuple((found.broken > 0).tolist())
        layers.append(Layer(short, near.value if near else math.nan, course, broken))
    return Depth(name, place, step, tuple(layers))


def _least(values: Floats) -> float:
    fine = values[np.isfinite(values)]
    return float(fine.min()) if len(fine) else math.nan


def _whole(found: Buckets) -> Floats:
    """The means of the columns, with straight lines over those that have none."""
    known = np.flatnonzero(np.isfinite(found.mean))
    if not len(known):
        return found.mean
    columns = np.arange(len(found.mean))
    out: Floats = np.interp(columns, known, found.mean[known])
    if found.before is None:
        out[: known[0]] = np.nan
    if found.after is None:
        out[known[-1] + 1 :] = np.nan
    return out


def _extremes(found: list[Buckets], table: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest of all runs in each column, single values among them."""
    low = np.fmin.reduce([*(one.low for one in found), *table])
    high = np.fmax.reduce([*(one.high for one in found), *table])
    return low, high


def _read_of(reads: list[Read | None]) -> Read | None:
    """The mean of several runs at the cursor, and between which values it lies."""
    there = [one for one in reads if one]
    fine = [one.value for one in there if math.isfinite(one.value)]
    if not there or not fine:
        return there[0] if there else None
    first = there[0]
    mean = sum(fine) / len(fine)
    return Read(first.step, first.epoch, first.seconds, mean, min(fine), max(fine), len(fine))


def _seed(run: RunSeries) -> str:
    return str(run.request.seed) if run.request else "?"
