"""The findings of one run among those of its lab, at once: for commands and reports. Blocks on files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imgexp_tui.findings.comparison_runs import among, relatives_of
from imgexp_tui.findings.engine import Engine
from imgexp_tui.findings.model import Finding
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.metrics.follower import RunView


def off_in(notebook: Notebook | None) -> tuple[str, ...]:
    """The names of the rules that a lab has switched off."""
    found = notebook.settings.get("findings_off") if notebook else None
    return tuple(found) if isinstance(found, list) else ()


def findings_of(
    view: RunView, views: Mapping[str, Sequence[RunView]], notebook: Notebook | None = None
) -> tuple[Finding, ...]:
    """What is found in a run, the most severe first.

    Args:
        views: version → its runs, polled; those of its own version and of its base are looked at.
    """
    return Engine(view, off_in(notebook), lambda: relatives_of(view, among(views))).look(now=True)
