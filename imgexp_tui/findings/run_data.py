"""A run's record as the rules want it: epochs, steps, the machine's samples, and its relatives. Read as it grows.

`RunView` follows the run; what it does not keep (the machine's samples, the trainer's events of long ago) is kept here.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from statistics import fmean
from typing import Any

from imgexp_tui.notebook.schema.settings import SETTINGS, Value
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.follower import RunView, Series

_KEPT = ("worker", "settings", "error", "warning", "stopped_early")
_MOST_EVENTS = 1000
_MOST_SAMPLES, _MOST_WORDS = 20_000, 100
"""Samples of a gauge: more than two days at the recorder's pace; every second one is dropped beyond. And different
texts of a series of texts."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of an epoch's end."""

    epoch: int
    step: int
    value: float


@dataclass(slots=True)
class Samples:
    """One of the machine's series: seconds since the record began, and values."""

    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time: float, value: float) -> None:
        """Append a sample."""
        if len(self.times) >= _MOST_SAMPLES:
            self.times, self.values = self.times[::2], self.values[::2]
        self.times.append(time)
        self.values.append(value)

    def since(self, time: float) -> tuple[Sequence[float], Sequence[float]]:
        """Times and values from `time` on."""
        first = next((i for i, t in enumerate(self.times) if t >= time), len(self.times))
        return self.times[first:], self.values[first:]


@dataclass(frozen=True, slots=True)
class Relatives:
    """Runs to compare with, all polled.

    Attributes:
        base: the runs of the version that this one builds on, the one to compare with first.
        group: runs that differ from this one in their seed alone, this one among them.
        base_group: the same of the first of `base`.
    """

    base: Sequence[RunView] = ()
    group: Sequence[RunView] = ()
    base_group: Sequence[RunView] = ()


class Record:
    """One run.

    Attributes:
        view: the run; whoever made it polls it.
        system: name → samples of `system.jsonl`.
        words: name → how often each text was sampled, of the series of `system.jsonl` that are texts.
        told: the trainer's events of the kinds that rules read, oldest first.
        began: when the first of the samples was taken, seconds since the epoch.
        planned, first_epoch_ended: when the latest attempt's training began, and when its first epoch was done.
        relatives: asked for by the rules that compare.
    """

    def __init__(self, view: RunView, relatives: Callable[[], Relatives] = Relatives) -> None:
        self.view = view
        self.system: dict[str, Samples] = {}
        self.words: dict[str, Counter[str]] = {}
        self.told: list[dict[str, Any]] = []
        self.began: float | None = None
        self._ask = relatives
        self.planned: float | None = None
        self.first_epoch_ended: float | None = None
        self._system_tail, self._event_tail = LineTail(view.dir.system), LineTail(view.dir.events)

    def read(self) -> bool:
        """Take in what was added to the files that `RunView` does not keep; True where anything was."""
        changed = False
        while batch := self._system_tail.poll():
            changed = True
            if self._system_tail.restarted:
                self.system, self.words, self.began = {}, {}, None
            for line in batch:
                self._sample(line)
        while batch := self._event_tail.poll():
            changed = True
            if self._event_tail.restarted:
                self.told = []
            self.told = [*self.told, *(e for e in batch if e.get("kind") in _KEPT)][-_MOST_EVENTS:]
            for event in batch:
                self._mark_epoch(event)
        return changed

    def forget(self) -> None:
        """Work out anew what follows from the view, which has moved on."""
        for name in ("losses", "relatives"):
            self.__dict__.pop(name, None)

    def _mark_epoch(self, event: dict[str, Any]) -> None:
        """Note when the latest attempt began, and when it had done its first epoch."""
        kind, time = event.get("kind"), event.get("time")
        if not isinstance(time, int | float):
            return
        if kind == "plan":
            self.planned, self.first_epoch_ended = time, None
        elif kind == "checkpoint" and self.first_epoch_ended is None:
            self.first_epoch_ended = time

    def _sample(self, line: dict[str, Any]) -> None:
        time = line.get("time")
        if not isinstance(time, int | float):
            return
        self.began = time if self.began is None else self.began
        for name, value in line.items():
            if name != "time" and isinstance(value, int | float):
                self.system.setdefault(name, Samples()).add(time - self.began, value)
            elif isinstance(value, str):
                counts = self.words.setdefault(name, Counter())
                if value in counts or len(counts) < _MOST_WORDS:
                    counts[value] += 1

    # What was asked

    @property
    def shipped(self) -> bool:
        """Whether the shipped trainer trains it."""
        return self.view.request is None or self.view.request.trainer == "shipped"

    def setting(self, name: str) -> Value | None:
        """A setting's value; None where the run has none of that name."""
        config = self.view.request.config if self.view.request else {}
        if name in config:
            value: Value = config[name]
            return value
        return SETTINGS[name].default if self.shipped and name in SETTINGS else None

    def number(self, name: str) -> float | None:
        """The same where it is a number."""
        value = self.setting(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def valid_samples(self) -> int | None:
        """How many images validation should see, as the trainer planned it."""
        found = self.view.plan.get("valid_samples")
        return found if isinstance(found, int) and found > 0 else None

    # Where it stands

    @property
    def ended(self) -> bool:
        return not self.view.status.state.live

    @property
    def done(self) -> float:
        """Share of the planned epochs that is done, 0 to 1; 1 where it has ended."""
        if self.ended:
            return 1.0
        total, epochs = self.view.epochs, len(self.epochs("valid/loss")) or int(self.view.epoch or 0)
        return min(1.0, epochs / total) if total else 0.0

    # What was measured

    def steps(self, name: str) -> Series:
        """A metric's values; empty where it was never logged."""
        return self.view.series.get(name) or Series()

    def latest(self, name: str, most: int) -> list[float]:
        """A metric's latest finite values, oldest first."""
        values = islice(reversed(self.steps(name).values), most)
        return [v for v in values if math.isfinite(v)][::-1]

    def epochs(self, name: str) -> list[Point]:
        """The values of a metric that is logged at the end of epochs; those that are not finite are left out."""
        series = self.steps(name)
        pairs = enumerate(zip(series.steps, series.values, strict=True), 1)
        return [Point(int(self.view.epoch_at(s) or i), s, v) for i, (s, v) in pairs if math.isfinite(v)]

    @cached_property
    def losses(self) -> list[Point]:
        """The training loss of each epoch: as the trainer tells it, else the mean over the steps of an epoch."""
        if found := self.epochs("train/epoch_loss"):
            return found
        series, ends = self.steps("train/loss"), [p.step for p in self.epochs("valid/loss")]
        return [Point(e, last, fmean(values)) for e, last, values in self._by_epoch(series, ends)]

    def _by_epoch(self, series: Series, ends: Sequence[int]) -> Iterable[tuple[int, int, list[float]]]:
        """Epoch, its last step and its finite values; epochs as the lines count them, else from one end to the next."""
        found: dict[int, list[float]] = {}
        last: dict[int, int] = {}
        place = 0
        for step, value in zip(series.steps, series.values, strict=True):
            if ends and step > ends[-1]:
                break  # an epoch under way has no loss yet
            while place < len(ends) and step > ends[place]:
                place += 1
            epoch = self.view.epoch_at(step)
            number = place + 1 if epoch is None else int(epoch)
            if math.isfinite(value):
                found.setdefault(number, []).append(value)
                last[number] = step
        return [(epoch, last[epoch], values) for epoch, values in found.items()]

    @cached_property
    def relatives(self) -> Relatives:
        """The runs to compare with."""
        return self._ask()


def last_mean(points: Sequence[Point], count: int = 3) -> float:
    """The mean of the last few values; nan without any."""
    return fmean(p.value for p in points[-count:]) if points else math.nan


def best(points: Sequence[Point]) -> int:
    """The place of the lowest value; of equal ones the first."""
    return min(range(len(points)), key=lambda i: points[i].value)
