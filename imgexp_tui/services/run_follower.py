"""Follows a version's run for the sidebar of the text editor."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import lab_metrics, panel_metrics, version_judges
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.services import run_followers
from imgexp_tui.services.notebook_reader import CurrentNotebook
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.notes.quotable_figures import Figure, quotable_figures
from imgexp_tui.views.runs.builder import summarize_run
from imgexp_tui.views.runs.model import RunSummary


class VersionRunFollower:
    """Follows one run of a version: `run` while it is live, the newest otherwise. Blocks on files; safe for threads."""

    def __init__(self, lab: Path, version: str, run: str = "") -> None:
        self._lab = lab
        self._notebook = CurrentNotebook(lab)
        self._version = version
        self._preferred_run = run
        self._newest: RunFollower | None = None
        self._follower: RunFollower | None = None
        self._curves_source: object = None
        self._curves: dict[str, CurveBuilder] = {}
        self._lock = threading.Lock()

    def poll(self) -> RunSummary | None:
        """The run as of now, equal to the one before where nothing changed; None where the version has no run."""
        with self._lock:
            view = self._current_follower()
            if view is None:
                return None
            notebook = self._notebook.read()
            metrics, judges = lab_metrics(notebook), version_judges(notebook, self._version)
            if self._curves_source != (view, metrics, judges):
                self._curves_source = view, metrics, judges
                self._curves = {name: CurveBuilder(name, metrics) for name in panel_metrics(judges)}
            series = ((builder, view.series.get(name)) for name, builder in self._curves.items())
            curves = tuple(curve for builder, points in series if points and (curve := builder.update(points)))
            return summarize_run(view, curves, judges)

    def quotable_figures(self, base: str = "", changes: Sequence[str] = ()) -> list[Figure]:
        """The figures of the run as of now that a note can quote."""
        with self._lock:
            notebook = self._notebook.read()
            judges = version_judges(notebook, self._version)
            return quotable_figures(self._current_follower(), base, changes, lab_metrics(notebook), judges)

    def _current_follower(self) -> RunFollower | None:
        runs = find_runs(self._lab, self._version)
        if not runs:
            return None
        if self._newest is None or self._newest.run_dir != runs[0]:
            self._newest = run_followers.acquire(runs[0])
        newest = self._newest
        newest.poll()
        if self._follower is None:
            preferred = (run for run in runs[1:] if run.run_id == self._preferred_run)
            self._follower = next(map(run_followers.acquire, preferred), newest)
        if self._follower is not newest:
            self._follower.poll()
            if newest.status.state.live or not self._follower.status.state.live:
                self._follower = newest
        return self._follower
