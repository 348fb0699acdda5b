"""A run's record as the rules read it: epochs, steps, the machine's samples, and the runs to compare with.

`RunFollower` follows the run; this also keeps what that does not (the machine's samples, older events of the trainer).
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from statistics import fmean
from typing import Any

from imgexp_tui.notebook.schema.metrics import DEFAULT_JUDGES, Goal
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import Judge
from imgexp_tui.records.metrics.run_state import Series

_RULE_EVENT_KINDS = ("worker", "settings", "error", "warning", "stopped_early")
_MAX_EVENTS = 1000
_MAX_SAMPLES, _MAX_TEXTS = 20_000, 100
"""Samples of a gauge, more than two days at the recorder's interval; beyond that every second one is dropped. And
different texts of a series of texts."""


@dataclass(frozen=True, slots=True)
class EpochValue:
    """A metric's value at the end of an epoch."""

    epoch: int
    step: int
    value: float


@dataclass(slots=True)
class Samples:
    """A series of the machine's samples: seconds since the first sample of the record, and values."""

    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time: float, value: float) -> None:
        """Append a sample."""
        if len(self.times) >= _MAX_SAMPLES:
            self.times, self.values = self.times[::2], self.values[::2]
        self.times.append(time)
        self.values.append(value)

    def since(self, time: float) -> tuple[Sequence[float], Sequence[float]]:
        """Returns times and values from `time` on."""
        first = next((i for i, t in enumerate(self.times) if t >= time), len(self.times))
        return self.times[first:], self.values[first:]


@dataclass(frozen=True, slots=True)
class ComparisonRuns:
    """Runs to compare with, all polled.

    Attributes:
        base_runs: the runs of the base version, the one to compare with first.
        seed_group: runs that differ from this one in their seed alone, itself included.
        base_seed_group: the same for the first of `base_runs`.
    """

    base_runs: Sequence[RunFollower] = ()
    seed_group: Sequence[RunFollower] = ()
    base_seed_group: Sequence[RunFollower] = ()


class RunData:
    """The data of one run.

    Attributes:
        follower: the run; the caller polls it.
        system_samples: name → samples of `system.jsonl`.
        text_counts: name → number of samples by text, for the series of `system.jsonl` that are texts.
        events: the trainer's events of the kinds that rules read, oldest first.
        first_sample_time: time of the first sample, seconds since the epoch.
        training_start_time, first_epoch_end_time: when the training of the latest attempt began, and when its first
            epoch was done.
        comparison_runs: loaded when a rule first reads it.
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
        """Reads what was added to the files that `RunFollower` does not read. Returns whether anything was."""
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
        """Clears cached values that depend on the follower, which has new data."""
        for name in ("train_losses", "comparison_runs"):
            self.__dict__.pop(name, None)

    def _note_first_epoch(self, event: dict[str, Any]) -> None:
        """Records when the latest attempt began, and when its first epoch was done."""
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

    @property
    def uses_shipped_trainer(self) -> bool:
        """Whether the shipped trainer trains this run."""
        return self.follower.request is None or self.follower.request.trainer == "shipped"

    def setting(self, name: str) -> SettingValue | None:
        """Returns a setting's value; None if the run has no such setting."""
        config = self.follower.request.config if self.follower.request else {}
        if name in config:
            value: SettingValue = config[name]
            return value
        return SETTINGS[name].default if self.uses_shipped_trainer and name in SETTINGS else None

    def numeric_setting(self, name: str) -> float | None:
        """Returns a setting's value if it is a number; else None."""
        value = self.setting(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def valid_samples(self) -> int | None:
        """The number of images that the trainer planned to validate on."""
        count = self.follower.plan.get("valid_samples")
        return count if isinstance(count, int) and count > 0 else None

    @property
    def has_ended(self) -> bool:
        return not self.follower.status.state.live

    @property
    def completed_share(self) -> float:
        """Share of the planned epochs that is done, 0 to 1; 1 if the run has ended."""
        if self.has_ended:
            return 1.0
        total, epochs = (
            self.follower.planned_epochs,
            len(self.epoch_values("valid/loss")) or int(self.follower.epoch or 0),
        )
        return min(1.0, epochs / total) if total else 0.0

    def series(self, name: str) -> Series:
        """Returns a metric's values; empty if it was never logged."""
        return self.follower.series.get(name) or Series()

    def latest_values(self, name: str, max_count: int) -> list[float]:
        """Returns a metric's latest finite values, oldest first."""
        values = islice(reversed(self.series(name).values), max_count)
        return [v for v in values if math.isfinite(v)][::-1]

    def epoch_values(self, name: str) -> list[EpochValue]:
        """Returns the values of a metric that is logged at the end of epochs, without those that are not finite."""
        series = self.series(name)
        pairs = enumerate(zip(series.steps, series.values, strict=True), 1)
        return [EpochValue(int(self.follower.epoch_at(s) or i), s, v) for i, (s, v) in pairs if math.isfinite(v)]

    @property
    def judge(self) -> Judge:
        """The metric that judges the run's epochs: that of its record where it was recorded, valid/loss otherwise.

        A metric of training judges by its means over the epochs, `train/epoch_…`.
        """
        judges = self.follower.judges
        default = next(one for one in judges if one.metric == DEFAULT_JUDGES[0])
        half, _, measure = judges[0].metric.partition("/")
        has_means = half == "train" and not measure.startswith("epoch_")
        own = replace(judges[0], metric=f"train/epoch_{measure}") if has_means else judges[0]
        return own if self.epoch_values(own.metric) else default

    @cached_property
    def train_losses(self) -> list[EpochValue]:
        """The training loss of each epoch: as the trainer logged it, or the mean over the steps of the epoch."""
        if losses := self.epoch_values("train/epoch_loss"):
            return losses
        series, ends = self.series("train/loss"), [p.step for p in self.epoch_values("valid/loss")]
        return [EpochValue(e, last, fmean(values)) for e, last, values in self._values_by_epoch(series, ends)]

    def _values_by_epoch(self, series: Series, ends: Sequence[int]) -> Iterable[tuple[int, int, list[float]]]:
        """Yields epoch, last step and finite values. The epochs are those of the lines, or lie between the `ends`."""
        by_epoch: dict[int, list[float]] = {}
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
                by_epoch.setdefault(number, []).append(value)
                last[number] = step
        return [(epoch, last[epoch], values) for epoch, values in by_epoch.items()]

    @cached_property
    def comparison_runs(self) -> ComparisonRuns:
        """The runs to compare with."""
        return self._load_comparison_runs()


def last_mean(points: Sequence[EpochValue], count: int = 3) -> float:
    """Returns the mean of the last few values; nan without any."""
    return fmean(p.value for p in points[-count:]) if points else math.nan


def best_index(points: Sequence[EpochValue], goal: Goal = Goal.LOWER) -> int:
    """Returns the index of the best value; of equal ones the first."""
    return min(range(len(points)), key=lambda i: goal.sort_key(points[i].value))
