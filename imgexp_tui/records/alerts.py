"""Detects the events of a run that people want to know: an end, a stall, a NaN, a new best.

The app and the process that runs `on_event` both pass in the lines of `metrics.jsonl` and the state, which they read
anyway, so both report the same events. Each event is reported once. What a user asked for is no event: a stopped run
reports nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, Judge
from imgexp_tui.records.metrics.source import NON_METRIC_KEYS
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status
from imgexp_tui.text import clean_line, format_number

_FAILURE_WORDS = {State.FAILED: "failed", State.KILLED: "was killed", State.LOST: "is lost"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One event.

    Attributes:
        kind: "finished", "failed" (also killed and lost), "stalled", "nan" or "best".
        message: one sentence, cleaned; it begins with the version.
        time: when it happened, seconds since the epoch; where that is not known, when its attempt began, or 0.
        metric, value, step, epoch: of a NaN, of a best, and of the best of a run that has finished.
    """

    kind: str
    version: str
    run: str
    message: str
    time: float
    state: str = ""
    metric: str = ""
    value: float | None = None
    step: int | None = None
    epoch: int | None = None


class AlertDetector:
    """The events of one run since `take_new` was last called.

    Attributes:
        judges: the metrics that judge the run, in order of preference. A new best is reported for the first one that
            the run has recorded; for a training metric only where the notebook names it as the judge.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._pending: dict[str, Alert] = {}
        self._judges: Sequence[Judge] = ()
        self._alert_judges: Sequence[Judge] = ()
        self.judges = DEFAULT_METRICS.judges()
        self._judge: Judge | None = None
        self._bests: list[dict[str, Any]] = []
        self._nan_reported = self._has_been_taken = False
        self._last_state: tuple[State, int] | None = None

    @property
    def judges(self) -> Sequence[Judge]:
        """The metrics that judge the run; the training metrics among them count only in the first place."""
        return self._judges

    @judges.setter
    def judges(self, judges: Sequence[Judge]) -> None:
        self._judges = judges
        self._alert_judges = tuple(one for one in judges if one is judges[0] or not one.metric.startswith("train/"))

    def add_line(self, record: dict[str, Any]) -> None:
        """Add a line of metrics."""
        self._note_best(record)
        if not self._nan_reported:
            for name, value in record.items():
                if not isinstance(value, float) or math.isfinite(value):
                    continue
                if name not in NON_METRIC_KEYS and _is_broken_value(name, value):
                    self._nan_reported = True
                    position = _format_position(record)
                    self._add_alert(
                        "nan", f": {clean_line(name)} is {value}{f' in {position}' if position else ''}", record, name
                    )
                    break

    def reset_metrics(self) -> None:
        """Forget all metrics, because their file was replaced."""
        self._judge, self._bests, self._nan_reported = None, [], False
        self._pending.pop("best", None)
        self._pending.pop("nan", None)

    def restore_bests(self, series: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
        """Take over the bests of a long record's overview without reporting them; a later best must be better.

        Args:
            series: metric → steps and values, with every extreme.
        """
        judged = (j for j in self._alert_judges if any(map(math.isfinite, series.get(j.metric, ((), ()))[1])))
        self._judge = next(judged, None)
        if judge := self._judge:
            for step, value in zip(*series[judge.metric], strict=True):
                if math.isfinite(value) and self._is_new_best(judge, value):
                    self._bests.append(dict.fromkeys(NON_METRIC_KEYS) | {"step": int(step), judge.metric: float(value)})
        self._nan_reported = any(
            _is_broken_value(name, float(v)) for name, (_, values) in series.items() for v in values
        )

    def update_status(self, status: Status) -> None:
        """Set the run's current state."""
        now = (status.state, status.attempt)
        if now == self._last_state:
            return
        if self._last_state and self._last_state[1] != status.attempt:
            self._nan_reported = False
        self._last_state = now
        began = status.process.started if status.process else 0.0
        ended = status.exit.ended if status.exit else began
        if status.state is State.NO_HEARTBEAT:
            silent = status.evidence.rpartition("; ")[2]
            self._add_alert("stalled", f" has stalled: {silent}", {"time": began}, state=status.state)
        elif status.state is State.FINISHED:
            best = self._bests[-1] if self._bests else {}
            metric = self._judge.metric if self._judge and best else ""
            text = f" finished; best {_format_best(best, metric)}" if best else " finished"
            self._add_alert("finished", text, {**best, "time": ended}, metric, status.state)
        elif status.state is State.LOST and not self._run.path.exists():
            return  # the folder was moved or deleted: its version has another name now
        elif status.state in _FAILURE_WORDS:
            text = f" {_FAILURE_WORDS[status.state]}: {status.evidence}"
            self._add_alert("failed", text, {"time": ended}, state=status.state)

    def take_new(self, since: float = 0.0) -> list[Alert]:
        """The events since the last call; the end comes last.

        Args:
            since: the first call leaves out events from before this time.
        """
        alerts, self._pending = self._pending, {}
        since, self._has_been_taken = 0.0 if self._has_been_taken else since, True
        order = ("nan", "best", "stalled", "finished", "failed")
        return sorted((a for a in alerts.values() if a.time >= since), key=lambda a: order.index(a.kind))

    def _note_best(self, record: dict[str, Any]) -> None:
        """Note a new best. A resumed run goes back in steps; bests from there on no longer count."""
        step = record.get("step")
        if not isinstance(step, int):
            return
        while self._bests and self._bests[-1]["step"] >= step:
            self._bests.pop()
        for judge in self._alert_judges:
            value = record.get(judge.metric)
            if isinstance(value, int | float) and math.isfinite(value):
                if judge != self._judge:  # one that comes before the one so far: their values are never compared
                    self._judge, self._bests = judge, []
                if self._is_new_best(judge, value):
                    metric = judge.metric
                    self._bests.append({key: record.get(key) for key in (*NON_METRIC_KEYS, metric)})
                    self._add_alert("best", f" has a new best: {_format_best(record, metric)}", record, metric)
                return
            if judge == self._judge:
                return

    def _is_new_best(self, judge: Judge, value: float) -> bool:
        return not self._bests or judge.goal.is_better(value, self._bests[-1][judge.metric])

    def _add_alert(self, kind: str, text: str, record: dict[str, Any], metric: str = "", state: str = "") -> None:
        moment, value = record.get("time"), record.get(metric)
        step, epoch = record.get("step"), record.get("epoch")
        self._pending[kind] = Alert(
            kind,
            self._run.version,
            self._run.run_id,
            clean_line(f"{self._run.version}{text}"),
            float(moment) if isinstance(moment, int | float) else 0.0,
            state,
            metric,
            float(value) if isinstance(value, int | float) else None,
            step if isinstance(step, int) else None,
            int(epoch) if isinstance(epoch, int | float) and math.isfinite(epoch) else None,
        )


def _is_broken_value(name: str, value: float) -> bool:
    """Whether a value is an error: nan always, infinity for a loss. Metrics of users' own may be infinite."""
    return math.isnan(value) or (math.isinf(value) and DEFAULT_METRICS[name].is_loss)


def _format_best(record: dict[str, Any], metric: str) -> str:
    position = _format_position(record)
    return f"{clean_line(metric)} {format_number(record[metric])}{f' in {position}' if position else ''}"


def _format_position(record: dict[str, Any]) -> str:
    epoch, step = record.get("epoch"), record.get("step")
    if isinstance(epoch, int | float) and math.isfinite(epoch):
        return f"epoch {int(epoch)}"
    return f"step {step:,}" if isinstance(step, int) else ""
