"""Reads the runs of versions that are shown side by side. For threads: it blocks on files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imgexp_tui.notebook.model import Version
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import MetricTable, lab_metrics
from imgexp_tui.records.metrics.run_state import best_run
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.reports.side_by_side import ComparedVersion, ComparisonSection, compare_versions
from imgexp_tui.services import run_followers
from imgexp_tui.services.notebook_reader import read_notebook


class ComparisonReader:
    """Follows all runs of some versions.

    Args:
        lab: the lab's folder.
        versions: the versions, from left to right.
    """

    def __init__(self, lab: Path, versions: Sequence[Version]) -> None:
        self._lab = lab
        self._versions = versions
        self._followers: dict[Path, RunFollower] = {}
        self._lock = threading.Lock()

    def read(self) -> tuple[list[ComparisonSection], tuple[RunFollower | None, ...]]:
        """The comparison as of now, and the run that stands for each version: its best, else its newest."""
        with self._lock:
            metrics = lab_metrics(read_notebook(self._lab).notebook)
            sides = [self._read_side(version, metrics) for version in self._versions]
            return compare_versions(sides, metrics), tuple(side.runs[0] if side.runs else None for side in sides)

    def _read_side(self, version: Version, metrics: MetricTable) -> ComparedVersion:
        views = []
        for run in find_runs(self._lab, version.name):
            view = self._followers.get(run.path) or run_followers.acquire(run, exact=True)
            self._followers[run.path] = view
            view.poll()
            views.append(view)
        best = best_run(views, metrics.judges(version.judge))
        main_run = best[0] if best else views[0] if views else None
        if main_run is None:
            return ComparedVersion(version)
        group = main_run.request.group if main_run.request else ""
        seeds = [v for v in views if v is not main_run and group and v.request and v.request.group == group]
        return ComparedVersion(version, (main_run, *seeds))
