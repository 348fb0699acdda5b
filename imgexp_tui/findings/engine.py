"""Applies every rule to a run as its record grows. Blocks on files: for a thread, never for the app's loop.

A look at a run that has not changed costs a few comparisons. While it grows, a look that took t seconds is not done
again before `COST` times t have gone by, so that a long record cannot take a core."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from types import ModuleType

from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.findings.rules import (
    against_base,
    augmented_validation,
    batch_headroom,
    chance,
    constant,
    disk,
    gpu,
    gradients,
    learning_rate,
    memory,
    no_effect,
    not_finite,
    overfits,
    pace,
    seed_noise,
    stalled,
    starved,
    stopping,
    underfits,
    validation,
    worker_seeds,
)
from imgexp_tui.findings.run_data import Record, Relatives
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.text import clean_line

RULES: tuple[ModuleType, ...] = (
    starved, batch_headroom, constant, chance, underfits, overfits, learning_rate, not_finite, gradients, memory,
    stopping, validation, pace, seed_noise, augmented_validation, worker_seeds, gpu, stalled, disk, no_effect,
    against_base,
)  # fmt: skip
"""In the order of `notebook.finding_names`."""
_PACE, COST = 2.0, 50.0
"""Seconds between two looks at a run that grows, at least, and times the last look's duration."""


class Engine:
    """The findings of one run.

    Args:
        view: the run; whoever made it polls it before `look`.
        off: names of rules that are not applied.
        relatives: gives the runs to compare with; asked at a look that applies the rules, where a rule wants them.
    """

    def __init__(
        self, view: RunView, off: Collection[str] = (), relatives: Callable[[], Relatives] = Relatives
    ) -> None:
        self._record = Record(view, relatives)
        self._rules = [rule for rule in RULES if rule.NAME not in off]
        self._seen: object = None
        self._due = 0.0
        self._found: tuple[Finding, ...] = ()

    @property
    def record(self) -> Record:
        """What the findings were made of."""
        return self._record

    def look(self, *, now: bool = False) -> tuple[Finding, ...]:
        """What is found, the most severe first. `now` looks whether or not it is time again."""
        start = time.monotonic()
        ended = self._record.ended
        if not now and start < self._due and not ended:
            return self._found
        grown = self._record.read()
        seen = _mark(self._record.view)
        if seen == self._seen and not grown:
            return self._found
        self._seen = seen
        self._record.forget()
        found = [one for rule in self._rules if (one := _applied(rule, self._record))]
        self._found = tuple(sorted(found, key=lambda one: -one.severity.rank))
        self._due = time.monotonic() + max(_PACE, COST * (time.monotonic() - start))
        return self._found


def _mark(view: RunView) -> object:
    """Differs where anything was added to a run."""
    return view.step, view.time, len(view.series), len(view.events), view.status.state, view.status.evidence


def _applied(rule: ModuleType, record: Record) -> Finding | None:
    try:
        found: Finding | None = rule.find(record)
        # Names in a record may hold anything.
        if found:
            found = replace(found, sentence=clean_line(found.sentence), suggestion=clean_line(found.suggestion))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # A record that somebody else wrote may hold anything; one rule that trips must not take the others along.
        why = f"{type(error).__name__}: {error}"
        return Finding(rule.NAME, Severity.INFO, f"The rule {rule.NAME} cannot read this record ({why}).")
    return found
