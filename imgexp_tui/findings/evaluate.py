"""Evaluates one run's findings once, for commands and reports. Reads files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imgexp_tui.findings.comparison_runs import comparison_runs_of, runs_lookup
from imgexp_tui.findings.engine import Engine
from imgexp_tui.findings.model import Finding
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.metrics.follower import RunFollower


def disabled_rules_of(notebook: Notebook | None) -> tuple[str, ...]:
    """Returns the names of the rules that a lab has switched off."""
    names = notebook.lab_settings.get("findings_off") if notebook else None
    return tuple(names) if isinstance(names, list) else ()


def findings_of(
    follower: RunFollower, followers_by_version: Mapping[str, Sequence[RunFollower]], notebook: Notebook | None = None
) -> tuple[Finding, ...]:
    """Returns the findings of a run, the most severe first.

    Args:
        followers_by_version: version → its runs, polled; those of the run's version and of its base are used.
    """
    return Engine(
        follower, disabled_rules_of(notebook), lambda: comparison_runs_of(follower, runs_lookup(followers_by_version))
    ).evaluate(force=True)
