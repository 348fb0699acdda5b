"""A version's run in a few numbers, for the column beside the text that is being written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.records.follow import RunView, Series
from imgexp_tui.records.quick import QuickView
from imgexp_tui.records.rundir import find_runs

_METRICS = ("train/loss", "valid/loss", "train/accuracy", "valid/accuracy")


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric: its last value, the best one and the step at which that was reached (None without a finite one)."""

    metric: str
    last: float
    best: float | None
    step: int | None


@dataclass(frozen=True, slots=True)
class Glance:
    """A run as it stands; equal glances look the same, so that nothing is drawn anew."""

    run: str
    state: str
    live: bool
    evidence: str
    epoch: int | None
    epochs: int | None
    step: int | None
    readings: tuple[Reading, ...]
    chance: float | None
    left: float | None


class RunGlancer:
    """Follows one run of a version: `run` while it is live, the newest otherwise. For one thread at a time."""

    def __init__(self, lab: Path, version: str, run: str = "") -> None:
        self._lab = lab
        self._version = version
        self._first = run
        self._newest: RunView | None = None
        self._view: RunView | None = None

    def look(self) -> Glance | None:
        """The run's numbers now; None where the version has no run."""
        found = find_runs(self._lab, self._version)
        if not found:
            return None
        if self._newest is None or self._newest.dir != found[0]:
            self._newest = QuickView(found[0])
        newest = self._newest
        newest.poll()
        if self._view is None:
            self._view = next((QuickView(run) for run in found[1:] if run.run == self._first), newest)
        if self._view is not newest:
            self._view.poll()
            if newest.status.state.live or not self._view.status.state.live:
                self._view = newest
        return _glance(self._view)


def _glance(view: RunView) -> Glance:
    left = view.eta()
    return Glance(
        run=view.run,
        state=view.status.state.value,
        live=view.status.state.live,
        evidence=view.status.evidence,
        epoch=None if view.epoch is None else int(view.epoch),
        epochs=view.epochs,
        step=view.step,
        readings=tuple(_reading(m, s) for m in _METRICS if (s := view.series.get(m)) and s.values),
        chance=view.chance.get("valid/loss"),
        left=None if left is None else float(round(left)),
    )


def _reading(metric: str, series: Series) -> Reading:
    finite = [i for i, v in enumerate(series.values) if math.isfinite(v)]
    choose = max if metric.endswith("accuracy") else min
    at = choose(finite, key=series.values.__getitem__) if finite else None
    best = (None, None) if at is None else (series.values[at], series.steps[at])
    return Reading(metric, series.values[-1], *best)
