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

from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.follower import RunFollower, Series

_RULE_EVENT_KINDS = ("worker", "settings", "error", "warning", "stopped_early")
_MAX_EVENTS = 1000
_MAX_SAMPLES, _MAX_TEXTS = 20_000, 100
"""Samples of a gauge: more than two days at the recorder's pace; every second one is dropped beyond. And different
texts of a series of texts."""


@dataclass(frozen=True, slots=True)
class EpochValue:
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
        if len(self.times) >= _MAX_SAMPLES:
            self.times, self.values = self.times[::2], self.values[::2]
        self.times.append(time)
        self.values.append(value)

    def since(self, time: float) -> tuple[Sequence[float], Sequence[float]]:
        """Times and values from `time` on."""
        first = next((i for i, t in enumerate(self.times) if t >= time), len(self.times))
        return self.times[first:], self.values[first:]


@dataclass(frozen=True, slots=True)
class ComparisonRuns:
    """Runs to compare with, all polled.

    Attributes:
        base_runs: the runs of the version that this one builds on, the one to compare with first.
        seed_group: runs that differ from this one in their seed alone, this one among them.
        base_seed_group: the same of the first of `base_runs`.
    """

    base_runs: Sequence[RunFollower] = ()
    seed_group: Sequence[RunFollower] = ()
    base_seed_group: Sequence[RunFollower] = ()


class RunData:
    """One run.

    Attributes:
        follower: the run; whoever made it polls it.
        system_samples: name → samples of `system.jsonl`.
        text_counts: name → how often each text was sampled, of the series of `system.jsonl` that are texts.
        events: the trainer's events of the kinds that rules read, oldest first.
        first_sample_time: when the first of the samples was taken, seconds since the epoch.
        training_start_time, first_epoch_end_time: when the latest attempt's training began, and when its first epoch
            was done.
        comparison_runs: asked for by the rules that compare.
    """

    def __init__(
        self, follower: RunFollower, load_comparison_runs: Callable[[], ComparisonRuns] = ComparisonRuns
    ) -> None:
        self.follower = follower
        self.system_samples: dict[str, Samples] = {}
        self.text_counts: dict[str, Counter[str]] = {}
        self.events: list[dict[str, Any]] = []
        self.first_sample_time: float | None = None
        self._load_comparison_runs = load_comparison_runs
        self.training_start_time: float | None = None
        self.first_epoch_end_time: float | None = None
        self._system_tail, self._event_tail = LineTail(follower.run_dir.system), LineTail(follower.run_dir.events)

    def poll(self) -> bool:
        """Take in what was added to the files that `RunView` does not keep; True where anything was."""
        changed = False
        while batch := self._system_tail.poll():
            changed = True
            if self._system_tail.restarted:
                self.system_samples, self.text_counts, self.first_sample_time = {}, {}, None
            for line in batch:
                self._add_system_sample(line)
        while batch := self._event_tail.poll():
            changed = True
            if self._event_tail.restarted:
                self.events = []
            self.events = [*self.events, *(e for e in batch if e.get("kind") in _RULE_EVENT_KINDS)][-_MAX_EVENTS:]
            for event in batch:
                self._note_first_epoch(event)
        return changed

    def clear_derived(self) -> None:
        """Work out anew what follows from the view, which has moved on."""
        for name in ("train_losses", "comparison_runs"):
            self.__dict__.pop(name, None)

    def _note_first_epoch(self, event: dict[str, Any]) -> None:
        """Note when the latest attempt began, and when it had done its first epoch."""
        kind, time = event.get("kind"), event.get("time")
        if not isinstance(time, int | float):
            return
        if kind == "plan":
            self.training_start_time, self.first_epoch_end_time = time, None
        elif kind == "checkpoint" and self.first_epoch_end_time is None:
            self.first_epoch_end_time = time

    def _add_system_sample(self, line: dict[str, Any]) -> None:
        time = line.get("time")
        if not isinstance(time, int | float):
            return
        self.first_sample_time = time if self.first_sample_time is None else self.first_sample_time
        for name, value in line.items():
            if name != "time" and isinstance(value, int | float):
                self.system_samples.setdefault(name, Samples()).add(time - self.first_sample_time, value)
            elif isinstance(value, str):
                counts = self.text_counts.setdefault(name, Counter())
                if value in counts or len(counts) < _MAX_TEXTS:
                    counts[value] += 1

    # What was asked

    @property
    def uses_shipped_trainer(self) -> bool:
        """Whether the shipped trainer trains it."""
        return self.follower.request is None or self.follower.request.trainer == "shipped"

    def setting(self, name: str) -> SettingValue | None:
        """A setting's value; None where the run has none of that name."""
        config = self.follower.request.config if self.follower.request else {}
        if name in config:
            value: SettingValue = config[name]
            return value
        return SETTINGS[name].default if self.uses_shipped_trainer and name in SETTINGS else None

    def numeric_setting(self, name: str) -> float | None:
        """The same where it is a number."""
        value = self.setting(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def valid_samples(self) -> int | None:
        """How many images validation should see, as the trainer planned it."""
        found = self.follower.plan.get("valid_samples")
        return found if isinstance(found, int) and found > 0 else None

    # Where it stands

    @property
    def has_ended(self) -> bool:
        return not self.follower.status.state.live

    @property
    def completed_share(self) -> float:
        """Share of the planned epochs that is done, 0 to 1; 1 where it has ended."""
        if self.has_ended:
            return 1.0
        total, epochs = (
            self.follower.planned_epochs,
            len(self.epoch_values("valid/loss")) or int(self.follower.epoch or 0),
        )
        return min(1.0, epochs / total) if total else 0.0

    # What was measured

    def series(self, name: str) -> Series:
        """A metric's values; empty where it was never logged."""
        return self.follower.series.get(name) or Series()

    def latest_values(self, name: str, max_count: int) -> list[float]:
        """A metric's latest finite values, oldest first."""
        values = islice(reversed(self.series(name).values), max_count)
        return [v for v in values if math.isfinite(v)][::-1]

    def epoch_values(self, name: str) -> list[EpochValue]:
        """The values of a metric that is logged at the end of epochs; those that are not finite are left out."""
        series = self.series(name)
        pairs = enumerate(zip(series.steps, series.values, strict=True), 1)
        return [EpochValue(int(self.follower.epoch_at(s) or i), s, v) for i, (s, v) in pairs if math.isfinite(v)]

    @cached_property
    def train_losses(self) -> list[EpochValue]:
        """The training loss of each epoch: as the trainer tells it, else the mean over the steps of an epoch."""
        if found := self.epoch_values("train/epoch_loss"):
            return found
        series, ends = self.series("train/loss"), [p.step for p in self.epoch_values("valid/loss")]
        return [EpochValue(e, last, fmean(values)) for e, last, values in self._values_by_epoch(series, ends)]

    def _values_by_epoch(self, series: Series, ends: Sequence[int]) -> Iterable[tuple[int, int, list[float]]]:
        """Epoch, its last step and its finite values; epochs as the lines count them, else from one end to the next."""
        found: dict[int, list[float]] = {}
        last: dict[int, int] = {}
        place = 0
        for step, value in zip(series.steps, series.values, strict=True):
            if ends and step > ends[-1]:
                break  # an epoch under way has no loss yet
            while place < len(ends) and step > ends[place]:
                place += 1
            epoch = self.follower.epoch_at(step)
            number = place + 1 if epoch is None else int(epoch)
            if math.isfinite(value):
                found.setdefault(number, []).append(value)
                last[number] = step
        return [(epoch, last[epoch], values) for epoch, values in found.items()]

    @cached_property
    def comparison_runs(self) -> ComparisonRuns:
        """The runs to compare with."""
        return self._load_comparison_runs()


def last_mean(points: Sequence[EpochValue], count: int = 3) -> float:
    """The mean of the last few values; nan without any."""
    return fmean(p.value for p in points[-count:]) if points else math.nan


def best_index(points: Sequence[EpochValue]) -> int:
    """The place of the lowest value; of equal ones the first."""
    return min(range(len(points)), key=lambda i: points[i].value)
