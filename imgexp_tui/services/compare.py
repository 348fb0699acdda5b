"""Reads the runs that are compared. For threads: it blocks on files, and keeps what it has read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imgexp_tui.notebook.model import Version
from imgexp_tui.records.metrics.follower import RunView, best_of
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.reports.side_by_side import Part, Side, beside


class BesideLook:
    """Looks at the runs of some versions.

    Args:
        lab: the lab's folder.
        versions: whose runs.
    """

    def __init__(self, lab: Path, versions: Sequence[Version]) -> None:
        self._lab = lab
        self._versions = versions
        self._views: dict[Path, RunView] = {}
        self._turn = threading.Lock()

    def look(self) -> tuple[list[Part], tuple[RunView | None, ...]]:
        """The comparison as it stands, and the run that speaks for each version: its best, else its newest."""
        with self._turn:
            sides = [self._side(version) for version in self._versions]
            return beside(sides), tuple(side.runs[0] if side.runs else None for side in sides)

    def _side(self, version: Version) -> Side:
        views = []
        for run in find_runs(self._lab, version.name):
            view = self._views.setdefault(run.path, RunView(run))
            view.poll()
            views.append(view)
        best = best_of(views)
        shown = best[0] if best else views[0] if views else None
        if shown is None:
            return Side(version)
        group = shown.request.group if shown.request else ""
        seeds = [v for v in views if v is not shown and group and v.request and v.request.group == group]
        return Side(version, (shown, *seeds))
