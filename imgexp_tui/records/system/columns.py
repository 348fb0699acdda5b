"""Reads the supervisor's samples of a run (`system.jsonl`) as columns beside its metrics. Needs NumPy; it blocks."""

from __future__ import annotations

import math
from array import array
from pathlib import Path

import numpy as np

from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.columns import MetricColumns
from imgexp_tui.records.metrics.minmax import Floats, Ints

_CONSTANT_SUFFIXES = ("_total", "_limit", "_max")
"""Endings of names of what a machine has at most; these never change, so that they have no curve."""


class SystemSeries:
    """Follows one `system.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._tail = LineTail(path)
        self._times = array("d")
        self._samples: dict[str, tuple[array[int], array[float]]] = {}

    def poll(self) -> bool:
        """Read what was added; True where there was anything."""
        changed = False
        while batch := self._tail.poll():
            if self._tail.restarted:
                self._times, self._samples = array("d"), {}
            for record in batch:
                self._add_sample(record)
            changed = True
        return changed

    def _add_sample(self, record: dict[str, object]) -> None:
        moment = record.get("time")
        if not isinstance(moment, int | float) or not math.isfinite(moment):
            return
        # A clock that was set back must not move samples before earlier ones.
        self._times.append(max(float(moment), self._times[-1] if self._times else -math.inf))
        for name, value in record.items():
            if name == "time" or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not name.endswith(_CONSTANT_SUFFIXES):
                rows, values = self._samples.setdefault(name, (array("q"), array("d")))
                rows.append(len(self._times) - 1)
                values.append(float(value))

    def columns(self, steps: Ints, times: Floats) -> MetricColumns:
        """Every sample at the step that was done last, 0 before the first; one step may have several samples.

        Args:
            steps, times: of the run's records; times in seconds since 1970.
        """
        known = np.isfinite(times)
        done = np.concatenate([np.zeros(1, np.int64), steps[known]])
        sample_times = np.frombuffer(self._times, np.float64).copy()
        at = done[np.searchsorted(np.maximum.accumulate(times[known]), sample_times, side="right")]
        metrics = {
            name: (at[np.frombuffer(rows, np.int64)], np.frombuffer(values, np.float64).copy())
            for name, (rows, values) in self._samples.items()
        }
        return MetricColumns(series=metrics)

    def time_at(self, seconds: float) -> float:
        """The time of a sample, by the seconds since the first one; nan before there is any."""
        return self._times[0] + seconds if self._times else math.nan
