"""Applies every rule to a run while its record grows. Reads files: use it in a thread, not in the app's event loop.

An evaluation of a run that has not changed costs a few comparisons. While the run grows, an evaluation that took t
seconds is not repeated within `COST_FACTOR` times t, so that a long record cannot occupy a core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib import import_module
from types import ModuleType

from imgexp_tui.app_log import log_error
from imgexp_tui.findings import rules
from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.findings.run_data import ComparisonRuns, RunData
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.text import clean_line

RULES: tuple[ModuleType, ...] = tuple(
    sorted(map(import_module, rules.module_names().values()), key=lambda rule: rule.ORDER)
)
"""The modules below `findings.rules`, sorted by their `ORDER`."""
_MIN_INTERVAL, COST_FACTOR = 2.0, 50.0
"""Minimum seconds between two evaluations of a run that grows, and the factor of the last one's duration."""


class Engine:
    """Evaluates the findings of one run.

    Args:
        follower: the run; the caller polls it before `evaluate`.
        disabled_rules: names of rules that are not applied.
        load_comparison_runs: returns the runs to compare with; called during an evaluation if a rule needs them.
    """

    def __init__(
        self,
        follower: RunFollower,
        disabled_rules: Collection[str] = (),
        load_comparison_runs: Callable[[], ComparisonRuns] = ComparisonRuns,
    ) -> None:
        self._run_data = RunData(follower, load_comparison_runs)
        self._rules = [rule for rule in RULES if rule.NAME not in disabled_rules]
        self._last_change_key: object = None
        self._next_evaluation = 0.0
        self._findings: tuple[Finding, ...] = ()

    @property
    def run_data(self) -> RunData:
        """The data that the findings are made from."""
        return self._run_data

    def evaluate(self, *, force: bool = False) -> tuple[Finding, ...]:
        """Returns the findings, the most severe first. `force` evaluates whether or not it is due."""
        start = time.monotonic()
        ended = self._run_data.has_ended
        if not force and start < self._next_evaluation and not ended:
            return self._findings
        grown = self._run_data.poll()
        change_key = _change_key(self._run_data.follower)
        if change_key == self._last_change_key and not grown:
            return self._findings
        self._last_change_key = change_key
        self._run_data.clear_derived()
        findings = [one for rule in self._rules if (one := _apply_rule(rule, self._run_data))]
        self._findings = tuple(sorted(findings, key=lambda one: -one.severity.rank))
        self._next_evaluation = time.monotonic() + max(_MIN_INTERVAL, COST_FACTOR * (time.monotonic() - start))
        return self._findings


def _change_key(follower: RunFollower) -> object:
    """Returns a value that differs whenever something was added to the run."""
    return (
        follower.step,
        follower.time,
        len(follower.series),
        len(follower.events),
        follower.status.state,
        follower.status.evidence,
    )


def _apply_rule(rule: ModuleType, run_data: RunData) -> Finding | None:
    try:
        finding: Finding | None = rule.find(run_data)
        # Names in a record may hold control characters.
        if finding:
            finding = replace(finding, sentence=clean_line(finding.sentence), suggestion=clean_line(finding.suggestion))
    except Exception as error:  # noqa: BLE001 - a record may hold anything; the other rules must still be applied
        log_error(f"the rule {rule.NAME} failed on {run_data.follower.run_dir.path}", error)
        why = f"{type(error).__name__}: {error}"
        return Finding(rule.NAME, Severity.INFO, f"The rule {rule.NAME} cannot read this record ({why}).")
    return finding
