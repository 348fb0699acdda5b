"""Holds a run's metrics as NumPy columns with every step once; of steps that a resumed run did again, the last ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from imgexp_tui.records.metrics.jsonl_columns import last_row_of_each_step, surviving_rows
from imgexp_tui.records.metrics.minmax import Floats, Ints, Level, MinMaxPyramid
from imgexp_tui.records.metrics.pace import MIN_PAUSE_SECONDS, is_pause
from imgexp_tui.records.metrics.rows import MetricRows
from imgexp_tui.records.metrics.snapshot import Snapshot, SnapshotDamaged


@dataclass(slots=True)
class MetricColumns:
    """The numbers of a run's records; steps rise.

    Attributes:
        steps, epochs, times: of every record that counts, one a step; nan where a record has none.
        series: metric → steps and values.
        levels: metric → the levels of its pyramid, where they are known already.
    """

    steps: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    epochs: Floats = field(default_factory=lambda: np.zeros(0))
    times: Floats = field(default_factory=lambda: np.zeros(0))
    series: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)
    levels: dict[str, list[Level]] = field(default_factory=dict)

    def pyramid(self, name: str) -> MinMaxPyramid:
        """The pyramid of one metric; built once."""
        result = MinMaxPyramid(self.series[name][1], self.levels.get(name))
        self.levels[name] = result.levels
        return result

    def before_step(self, step: int) -> MetricColumns:
        """The columns cut off before a step."""
        if not len(self.steps) or step > self.steps[-1]:
            return self
        at = int(np.searchsorted(self.steps, step))
        metrics = {}
        for name, (steps, values) in self.series.items():
            stop = int(np.searchsorted(steps, step))
            if stop:
                metrics[name] = (steps[:stop], values[:stop])
        return MetricColumns(self.steps[:at], self.epochs[:at], self.times[:at], metrics)


def append_rows(columns: MetricColumns, rows: MetricRows) -> MetricColumns:
    """`columns` with the records that were written after them."""
    if not len(rows):
        return columns
    if not len(columns.steps) and bool((rows.steps[1:] > rows.steps[:-1]).all()):
        return _from_increasing_rows(rows)
    left, survives = columns.before_step(first_void_step(columns, rows)), surviving_rows(rows.steps)
    frame = np.flatnonzero(survives)
    once = frame[last_row_of_each_step(rows.steps[frame])]
    # A record of the latest step again replaces that step, but for the metrics that it does not have.
    old = left.steps[:-1] if len(left.steps) and len(once) and left.steps[-1] == rows.steps[once[0]] else left.steps
    metrics = dict(left.series)
    for name, (at, values) in rows.columns.items():
        which = survives[at]
        steps, values = rows.steps[at[which]], values[which]
        last = last_row_of_each_step(steps)
        steps, values = steps[last], values[last]
        if not len(steps):
            continue
        if name in metrics:
            old_steps, old_values = metrics[name]
            stop = len(old_steps) - int(old_steps[-1] == steps[0])
            steps, values = np.concatenate([old_steps[:stop], steps]), np.concatenate([old_values[:stop], values])
        metrics[name] = (steps, values)
    return MetricColumns(
        np.concatenate([old, rows.steps[once]]),
        np.concatenate([left.epochs[: len(old)], rows.epochs[once]]),
        np.concatenate([left.times[: len(old)], rows.times[once]]),
        metrics,
    )


def _from_increasing_rows(rows: MetricRows) -> MetricColumns:
    """The columns of records whose steps only rise, as those of a run that was not resumed. Copies as little as
    possible."""
    every = {id(at): rows.steps if len(at) == len(rows) else rows.steps[at] for at, _ in rows.columns.values()}
    metrics = {name: (every[id(at)], values) for name, (at, values) in rows.columns.items() if len(at)}
    return MetricColumns(rows.steps, rows.epochs, rows.times, metrics)


def first_void_step(columns: MetricColumns, rows: MetricRows) -> int:
    """The first step that is void when `rows` follow: the lowest that they go back to; the highest integer without."""
    steps = np.concatenate([columns.steps[-1:], rows.steps])
    back = steps[1:][steps[1:] < steps[:-1]]
    return int(back.min()) if len(back) else int(np.iinfo(np.int64).max)


def load_columns(snapshot: Snapshot) -> MetricColumns:
    """The columns that a snapshot holds.

    Raises:
        SnapshotDamaged, OSError: it cannot be read.
    """
    steps = _decode_array(snapshot.block("steps"), np.int64)
    epochs, times = (_decode_array(snapshot.block(name), np.float64) for name in ("epochs", "times"))
    columns = MetricColumns(steps, epochs, times)
    if not len(steps) == len(epochs) == len(times):
        raise SnapshotDamaged("the columns differ in length")
    try:
        for i, (name, fields) in enumerate(snapshot.meta["metrics"].items()):
            at = steps if fields["same"] else _decode_array(snapshot.block(f"{i}/steps"), np.int64)
            values = _decode_array(snapshot.block(f"{i}/values"), np.float64)
            if len(at) != len(values):
                raise SnapshotDamaged("the columns differ in length")
            columns.series[name] = (at, values)
            columns.levels[name] = [
                _decode_level(snapshot.block(f"{i}/{k}"), n) for k, n in enumerate(fields["levels"])
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotDamaged("the header is damaged") from error
    return columns


def _decode_array(data: bytes, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(data, dtype)


def _decode_level(data: bytes, count: int) -> Level:
    low, high, total = (np.frombuffer(data, np.float64, count, i * 8 * count) for i in range(3))
    return Level(low, high, total, np.frombuffer(data, np.int32, count, 24 * count))


def resumptions(events: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """Each attempt after the first and when it began (seconds since 1970), from the events of a run."""
    pairs = [(e.get("attempt"), e.get("time")) for e in events if e.get("kind") == "resumed"]
    return [(a, float(t)) for a, t in pairs if isinstance(a, int) and isinstance(t, int | float) and math.isfinite(t)]


def attempt_first_steps(resumed: list[tuple[int, float]], steps: Ints, times: Floats) -> dict[int, int]:
    """Attempt → its first step, for the attempts after the first: the first step written after it began."""
    starts: dict[int, int] = {}
    for attempt, moment in resumed:
        later = np.flatnonzero(times >= moment)
        if len(later):
            step = int(steps[later[0]])
            # An attempt is dropped when all of its steps were done again.
            starts = {a: s for a, s in starts.items() if s < step} | {attempt: step}
    return starts


def training_seconds(steps: Ints, times: Floats, attempt_starts: dict[int, int]) -> Floats:
    """Seconds of training until each record, without the time between two attempts and without pauses."""
    if not len(times):
        return times
    passed = np.diff(times, prepend=times[0])
    passed[~np.isfinite(passed)] = 0.0
    passed[passed < 0] = 0.0
    passed[np.searchsorted(steps, np.array(list(attempt_starts.values()), np.int64)).clip(0, len(steps) - 1)] = 0.0
    for at in np.flatnonzero(passed > MIN_PAUSE_SECONDS):
        if is_pause(passed[at], passed[:at].max(initial=0.0)):
            passed[at] = 0.0
    seconds: Floats = np.cumsum(passed)
    return seconds


def epochs_at_steps(steps: Ints, epochs: Floats) -> tuple[Floats, Floats]:
    """Steps and the number of epochs done before them, for a straight line between each two.

    An epoch is as long as its steps. The epoch under way is assumed to be as long as the one before.
    """
    known = np.isfinite(epochs)
    steps, epochs = steps[known], epochs[known]
    if not len(steps):
        return np.zeros(0), np.zeros(0)
    if not (epochs == np.floor(epochs)).all():
        return steps.astype(np.float64), np.maximum.accumulate(epochs)
    begins = np.flatnonzero(np.concatenate([[True], epochs[1:] > epochs[:-1]]))
    firsts = np.append(steps[begins], steps[-1] + 1).astype(np.float64)
    # Steps count from 1, so that an epoch begins one step before its first.
    firsts[:-1] -= 1
    firsts[-1] -= 1
    done = np.append(epochs[begins] - 1, epochs[begins[-1]])
    if len(begins) > 1:
        length = firsts[-2] - firsts[-3]
        share = (firsts[-1] - firsts[-2]) / length if length else 1.0
        done[-1] = done[-2] + min(1.0, share)
    return firsts, done
