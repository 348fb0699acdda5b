"""The axes over which curves are drawn: how steps, epochs, seconds of training and samples belong together."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

from imgexp_tui.records.metrics.columns import epochs_at_steps, training_seconds
from imgexp_tui.records.metrics.minmax import Floats, Ints
from imgexp_tui.records.metrics.parts import ColumnParts


class Axis(Enum):
    """What x is. `TIME` is seconds of training over all attempts, without the pauses between them."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    SAMPLES = "samples"


class AxisMaps:
    """Converts between steps and the other axes for one state of a run's record.

    Args:
        parts: the record.
        steps_per_epoch: as planned; None where epochs are as long as their records show.
        batch_size: samples a step; None where it is unknown, so that there is no axis of samples.
        attempt_starts: attempt → its first step, for the attempts after the first.
    """

    def __init__(
        self,
        parts: ColumnParts,
        steps_per_epoch: int | None,
        batch_size: int | None,
        attempt_starts: dict[int, int],
    ) -> None:
        self._parts = parts
        self._steps_per_epoch = steps_per_epoch
        self._batch_size = batch_size
        self._attempt_starts = attempt_starts
        self._maps: dict[Axis, tuple[Floats, Floats]] = {}

    def known_axes(self) -> list[Axis]:
        """The axes that the record has anything for, steps first."""
        other_axes = (Axis.EPOCH, Axis.TIME, Axis.SAMPLES)
        return [Axis.STEP, *(axis for axis in other_axes if len(self._map(axis)[0]) > 1)]

    def x_of(self, step: float, axis: Axis) -> float:
        """The x of a step on an axis; nan where the axis is not known."""
        if axis is Axis.STEP:
            return float(step)
        steps, xs = self._map(axis)
        return float(np.interp(step, steps, xs)) if len(steps) else math.nan

    def steps_at(self, xs: Floats, axis: Axis) -> Floats:
        """The steps at some `xs`; beyond both ends, steps that the run does not have."""
        if axis is Axis.STEP:
            return xs
        steps, at = self._map(axis)
        if not len(steps):
            return np.full(len(xs), -1.0)
        result = np.interp(xs, at, steps)
        result = np.where(xs < at[0], np.minimum(result, steps[0]) - 1, result)
        return np.where(xs > at[-1], float(self._parts.last_step) + 1, result)

    def first_steps_at(self, edges: Floats, axis: Axis) -> Ints:
        """The first step at or after each edge, and for the last edge the first step beyond it."""
        first = np.ceil(self.steps_at(edges, axis) - 1e-6)
        first[-1] = np.floor(self.steps_at(edges[-1:], axis)[0] + 1e-6) + 1
        return np.maximum.accumulate(np.clip(first, 0, 2.0**62)).astype(np.int64)

    def _map(self, axis: Axis) -> tuple[Floats, Floats]:
        """Steps and their x, with a straight line between each two; empty where the axis is not known."""
        if axis not in self._maps:
            self._maps[axis] = self._compute_map(axis)
        return self._maps[axis]

    def _compute_map(self, axis: Axis) -> tuple[Floats, Floats]:
        end = float(max(1, self._parts.last_step))
        if axis is Axis.STEP:
            return np.array([0.0, end]), np.array([0.0, end])
        if axis is Axis.SAMPLES:
            return _straight_map(end, self._batch_size)
        if axis is Axis.EPOCH and self._steps_per_epoch:
            return _straight_map(end, 1 / self._steps_per_epoch)
        if not self._parts:
            return np.zeros(0), np.zeros(0)
        steps = self._parts.steps
        if axis is Axis.EPOCH:
            return epochs_at_steps(steps, self._parts.epochs)
        times = self._parts.times
        known = np.isfinite(times)
        return steps[known].astype(np.float64), training_seconds(steps[known], times[known], self._attempt_starts)


def _straight_map(end: float, slope: float | None) -> tuple[Floats, Floats]:
    return (np.array([0.0, end]), np.array([0.0, end * slope])) if slope else (np.zeros(0), np.zeros(0))
