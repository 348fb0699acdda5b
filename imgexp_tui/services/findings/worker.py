"""Evaluates the findings of the displayed run in a thread, which keeps the live curves responsive.

A run with a long record is evaluated in another process. While the cursor moves over many versions nothing is read;
reading starts where it rests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from imgexp_tui.app_log import log_error
from imgexp_tui.findings.comparison_runs import comparison_runs_of
from imgexp_tui.findings.engine import COST_FACTOR, Engine
from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.paths import RUNS
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.source_registry import metrics_size
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.services import run_followers
from imgexp_tui.services.findings.findings_process import evaluate_in_subprocess, has_long_record
from imgexp_tui.text import clean_line

_CURSOR_REST_SECONDS = 0.3
"""Seconds that the cursor must rest on a version before its run is read."""
_LIVE_INTERVAL, _IDLE_INTERVAL = 5.0, 10.0
_JOIN_TIMEOUT = 0.3
_MAX_COMPARED_RUNS = 32
"""Number of the newest runs per version that a run is compared with."""

FindingTarget = tuple[str, str, tuple[str, ...]]


class FindingWorker:
    """Evaluates the findings of one run at a time, in a thread.

    Args:
        on_update: called from the thread when `findings_for` has a new result.
    """

    def __init__(self, lab: Path, on_update: Callable[[], object]) -> None:
        self._lab = lab
        self._on_update = on_update
        self._condition = threading.Condition()
        self._target: FindingTarget | None = None
        self._latest: tuple[FindingTarget, tuple[Finding, ...]] | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def findings_for(self, version: str, run: str, disabled_rules: Sequence[str]) -> tuple[Finding, ...] | None:
        """Start to follow a run, and return its latest findings; None before the first evaluation."""
        target = (version, run, tuple(disabled_rules))
        with self._condition:
            if target != self._target:
                self._target = target
                self._condition.notify()
            if self._thread is None and not self._is_stopping:
                self._thread = threading.Thread(target=self._run, name="findings", daemon=True)
                self._thread.start()
            return self._latest[1] if self._latest and self._latest[0] == target else None

    def stop(self) -> None:
        """End the thread, and the process that evaluates a long record."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        if self._thread:
            self._thread.join(_JOIN_TIMEOUT)

    def _run(self) -> None:
        follower: _RunEvaluator | None = None
        while (target := self._next_target(follower)) is not None:
            if follower is None or follower.target != target:
                follower = _RunEvaluator(self._lab, target, partial(self._is_target, target))
            findings = follower.evaluate()
            with self._condition:
                new = self._latest != (target, findings)
                self._latest = (target, findings)
            if new:
                self._on_update()

    def _next_target(self, evaluator: _RunEvaluator | None) -> FindingTarget | None:
        """Wait until an evaluation is due, and return its target; None when stopping."""
        with self._condition:
            if evaluator is not None:
                before, pace = (
                    evaluator.target,
                    _LIVE_INTERVAL if evaluator.live and evaluator.has_new_steps else _IDLE_INTERVAL,
                )
                self._condition.wait_for(lambda: self._is_stopping or self._target != before, pace)
            if evaluator is None or evaluator.target != self._target:
                while self._target_changes_within(_CURSOR_REST_SECONDS):
                    pass
            return None if self._is_stopping else self._target

    def _is_target(self, target: FindingTarget) -> bool:
        with self._condition:
            return not self._is_stopping and self._target == target

    def _target_changes_within(self, seconds: float) -> bool:
        """Whether the target changes within so many seconds."""
        before = self._target
        return (
            self._condition.wait_for(lambda: self._is_stopping or self._target != before, seconds)
            and not self._is_stopping
        )


class _RunEvaluator:
    """One run, with the runs that it is compared with.

    Attributes:
        has_new_steps: whether it made a step between the last two polls.
    """

    def __init__(self, lab: Path, target: FindingTarget, is_wanted: Callable[[], bool]) -> None:
        self.target = target
        self.has_new_steps = True
        self._lab = lab
        self._is_wanted = is_wanted
        version, run, off = target
        run_dir = RunDir(lab / RUNS / version / run)
        self._in_subprocess = has_long_record(lab, run_dir, _MAX_COMPARED_RUNS)
        self._follower = run_followers.acquire(run_dir, exact=not self._in_subprocess)
        self._next_evaluation = 0.0
        self._findings: tuple[Finding, ...] = ()
        self._evaluated_state: tuple[State, int] | None = None
        self._engine = Engine(self._follower, off, lambda: comparison_runs_of(self._follower, self._followers_of))
        self._followers: dict[Path, RunFollower] = {self._follower.run_dir.path: self._follower}

    @property
    def live(self) -> bool:
        return self._evaluated_state[0].live if self._evaluated_state else self._follower.status.state.live

    def evaluate(self) -> tuple[Finding, ...]:
        try:
            if self._in_subprocess:
                return self._evaluate_in_subprocess()
            before = self._follower.step
            self._follower.poll()
            self.has_new_steps = self._follower.step != before
            return self._engine.evaluate()
        except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave findings that are old
            log_error(f"the findings of {self._follower.run_dir.path} cannot be made", error)
            why = clean_line(f"{type(error).__name__}: {error}")
            return (Finding("", Severity.INFO, f"Findings of this run cannot be made ({why})."),)

    def _evaluate_in_subprocess(self) -> tuple[Finding, ...]:
        """Evaluate like the engine: at once when the run's state changes, else less often the longer it takes."""
        run, start = self._follower.run_dir, time.monotonic()
        state = status(run, Request.read(run)).state
        grown = metrics_size(run)
        if (state, grown) != self._evaluated_state and (
            start >= self._next_evaluation or not self._evaluated_state or state != self._evaluated_state[0]
        ):
            findings = evaluate_in_subprocess(self._lab, run.run_id, self._is_wanted)
            self._findings = tuple(one for one in findings if one.name not in self.target[2])
            self._evaluated_state, duration = (state, grown), time.monotonic() - start
            self._next_evaluation = time.monotonic() + COST_FACTOR * duration
        return self._findings

    def _followers_of(self, version: str) -> list[RunFollower]:
        followers = []
        for run in find_runs(self._lab, version)[:_MAX_COMPARED_RUNS]:
            view = self._followers.get(run.path) or run_followers.acquire(run, exact=True)
            self._followers[run.path] = view
            if view is not self._follower:
                view.poll()
            followers.append(view)
        return followers
