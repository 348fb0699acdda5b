"""Follows a run: reads what was added to its record since the last poll."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from imgexp_tui.paths import modified_ns
from imgexp_tui.records import status as states
from imgexp_tui.records.alerts import Alert, AlertDetector
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineTail
from imgexp_tui.records.metrics.pace import Pace, TrainingClock
from imgexp_tui.records.metrics.run_state import Progress, RunState, Series, is_number
from imgexp_tui.records.metrics.source import NON_METRIC_KEYS, MetricSource, Record
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.system.trend import Trend
from imgexp_tui.records.system.utilization import UtilizationHistogram


class RunFollower(RunState):
    """One run as it goes on. `poll` reads what is new; the attributes of `RunState` hold what is known.

    Args:
        run_dir: the run's folder.
        source: where its metrics are read from; by default what `source_registry` chooses.

    Attributes:
        is_partial: the series hold a sample of the record; all of it is being read.
    """

    is_partial = False

    def __init__(self, run_dir: RunDir, source: MetricSource | None = None) -> None:
        super().__init__(run_dir)
        self._source = source or open_source(run_dir)
        self._events_tail = LineTail(run_dir.events)
        self._system_tail = LineTail(run_dir.system)
        self._alert_detector = AlertDetector(run_dir)
        self._training_clock = TrainingClock()
        self._pending_resumptions: list[tuple[int, float]] = []
        self._training_start: float | None = None
        self._attempt_start = 0.0
        self._has_sampled_training = False
        self._ended_stamp: tuple[int, int] | None = None

    def poll(self) -> bool:
        """Read what was added. True where anything changed.

        A run that has ended is read once more and then left alone until it is resumed, so that a lab of many runs
        costs nothing.
        """
        stamp = _change_stamp(self.run_dir)
        if self._ended_stamp == stamp:
            return False
        if self.request is None:
            self.request = Request.read(self.run_dir)
            self._alert_detector.judges = self.judges
        before = self.status
        self.status = states.status(self.run_dir, self.request)
        self._note_attempt_start()
        changed = self.status != before
        # In this order: an event of a resumption says what to make of the metrics that follow it, and the first step
        # which of the machine's samples count.
        changed = self._read_tail(self._events_tail, self._reset_events, self._add_event) or changed
        changed = self._read_metrics() or changed
        changed = self._read_tail(self._system_tail, self._reset_system, self._add_system_sample) or changed
        self._alert_detector.update_status(self.status)
        ended = self.status.exit is not None and not self.status.state.live and self._source.ended
        self._ended_stamp = stamp if ended else None
        return changed

    def poll_again(self) -> None:
        """Have the next `poll` read a run that has ended, whether or not its files show that it was resumed."""
        self._ended_stamp = None

    def take_alerts(self, since: float = 0.0) -> list[Alert]:
        """What has happened since the last call, the end of the run last.

        Args:
            since: the first call leaves out what was before this time, in seconds since 1970.
        """
        return self._alert_detector.take_new(since)

    @staticmethod
    def _read_tail(tail: LineTail, reset: Callable[[], None], add: Callable[[Record], None]) -> bool:
        changed = False
        while batch := tail.poll():
            changed = True
            if tail.restarted:
                reset()
            for record in batch:
                add(record)
        return changed

    def _read_metrics(self) -> bool:
        """Read the new records of the metrics; True where there were any."""
        changed = False
        while batch := self._source.read_new():
            changed = True
            if self._source.replaced:
                self._reset_metrics()
            for record in batch:
                self._add_metrics(record)
        return changed

    def _note_attempt_start(self) -> None:
        if self.attempt_started_at is not None and self.attempt_started_at != self._attempt_start:
            self._attempt_start, self._pace = self.attempt_started_at, None
            self.memory_trend = Trend()

    def _reset_metrics(self) -> None:
        """Forget the metrics: their source was replaced."""
        self.series = {}
        self._epoch_series, self.training_seconds, self._training_clock = Series(), Series(), TrainingClock()
        self.attempt_starts = {}
        self.epoch_start_times = {}
        self._training_start = self._pace = self.step = self.epoch = self.time = None
        self._alert_detector.reset_metrics()
        self._has_sampled_training = False

    def _reset_events(self) -> None:
        """Forget the events: their file was replaced."""
        self.events, self.plan, self.progress, self._pending_resumptions = [], {}, None, []

    def _reset_system(self) -> None:
        """Forget the samples of the machine: their file was replaced."""
        self.system, self.peaks, self.utilization_histograms, self.memory_trend = {}, {}, {}, Trend()

    def _add_metrics(self, record: Record) -> None:
        self._alert_detector.add_line(record)
        step = record.get("step")
        if not isinstance(step, int) or not 0 <= step < 1 << 63:
            return
        rewound = self.step is not None and step < self.step
        if rewound:
            self._discard_from(step)
        self._note_resumption(step, record.get("time"), rewound=rewound)
        self.step = step
        self._add_time(step, record.get("time"))
        if is_number(epoch := record.get("epoch")):
            self.epoch = float(epoch)
            self._epoch_series.add(step, self.epoch)
            self._add_epoch(self.epoch, record.get("time"), rewound=rewound)
        is_validation = False
        for name, value in record.items():
            if name in NON_METRIC_KEYS:
                continue
            is_validation = is_validation or name.startswith("valid/")
            if is_number(value):
                series = self.series.get(name)
                if series is None:
                    series = self.series[name] = Series()
                series.add(step, float(value))
        if is_validation:
            self.training_seconds.add(step, self._training_clock.seconds)

    def _add_time(self, step: int, timestamp: Any) -> None:
        if not is_number(timestamp):
            return
        self.time = float(timestamp)
        if self._training_start is None:
            self._training_start = self.time
        if self._pace is None and self.time >= self._attempt_start:
            self._pace = Pace()
        if self._pace:
            self._pace.add(step, self.time)
        self._training_clock.add(self.time)

    def _add_epoch(self, epoch: float, timestamp: Any, *, rewound: bool) -> None:
        """Note when an epoch began; one that is done again counts from then."""
        if not (math.isfinite(epoch) and is_number(timestamp)):
            return
        if rewound:
            self.epoch_start_times = {e: began for e, began in self.epoch_start_times.items() if e < epoch}
        self.epoch_start_times.setdefault(int(epoch), float(timestamp))

    def _discard_from(self, step: int) -> None:
        """A resumed run does steps again: what any metric had at or after `step` is void."""
        for series in (*self.series.values(), self.training_seconds):
            series.discard_from(step)
        self.attempt_starts = {attempt: first for attempt, first in self.attempt_starts.items() if first < step}

    def _note_resumption(self, step: int, timestamp: Any, *, rewound: bool) -> None:
        """Note the first step of an attempt: the first line after it was resumed, or the one that does a step again."""
        while self._pending_resumptions and (
            rewound or (is_number(timestamp) and timestamp >= self._pending_resumptions[0][1])
        ):
            self.attempt_starts[self._pending_resumptions.pop(0)[0]] = step
            rewound = False  # those that were resumed later have lines of their own to come
            self._training_clock.skip_break()

    def _add_event(self, record: Record) -> None:
        kind = record.get("kind")
        if kind == "progress":
            self.progress = _parse_progress(record)
            return
        if kind == "plan":
            self.plan, self.progress = record, None
        attempt, moment = record.get("attempt"), record.get("time")
        if kind == "resumed" and isinstance(attempt, int) and is_number(moment):
            self._pending_resumptions.append((attempt, moment))
        self.events = [*self.events[-499:], record]

    def _add_system_sample(self, record: Record) -> None:
        passed = self._training_seconds_between(self.system.get("time"), record.get("time"))
        for name, value in record.items():
            if name == "time" or not is_number(value):
                continue
            self.peaks[name] = max(value, self.peaks.get(name, value))
            if name.endswith("/utilization"):
                self.utilization_histograms.setdefault(name, UtilizationHistogram()).add(value, passed)
        moment, memory = record.get("time"), record.get("tree/memory")
        if passed > 0 and is_number(moment) and is_number(memory) and moment >= self._attempt_start:
            self.memory_trend.add(moment, memory)
        self.system = record

    def _training_seconds_between(self, before: Any, now: Any) -> float:
        """Seconds of training between two samples. A `command` may never say when training began."""
        if not (is_number(before) and is_number(now)):
            return 0.0
        if self._training_start is None:
            return now - before if self.request and self.request.trainer == "command" else 0.0
        if self._has_sampled_training:
            return now - before
        self._has_sampled_training = (
            now >= self._training_start
        )  # from then on, whatever the clock says: it may be set back
        return now - max(before, self._training_start)


def _parse_progress(record: Record) -> Progress | None:
    """What a `progress` event says; None where it is done."""
    done, total = record.get("done"), record.get("total")
    if isinstance(total, int) and isinstance(done, int) and done >= total:
        return None
    return Progress(
        str(record.get("what", "")),
        int(done or 0),
        total if isinstance(total, int) else None,
        str(record.get("unit", "")),
        float(record.get("time", 0.0)),
    )


def _change_stamp(run_dir: RunDir) -> tuple[int, int]:
    """Changes when a run is resumed, and when its end is written down."""
    return modified_ns(run_dir.process), modified_ns(run_dir.exit)
