"""A version's run as it stands, for the column beside the text that is being written."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imgexp_tui.records.metrics.fast_follower import QuickView
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.notes.quotable_figures import Figure, figures
from imgexp_tui.views.runs.builder import CURVES, run_look
from imgexp_tui.views.runs.model import Run


class RunGlancer:
    """Follows one run of a version: `run` while it is live, the newest otherwise. Blocks on files; for any thread."""

    def __init__(self, lab: Path, version: str, run: str = "") -> None:
        self._lab = lab
        self._version = version
        self._first = run
        self._newest: RunView | None = None
        self._view: RunView | None = None
        self._drawn: RunView | None = None
        self._curves: dict[str, CurveBuilder] = {}
        self._turn = threading.Lock()

    def look(self) -> Run | None:
        """The run now, equal where nothing of it changed; None where the version has no run."""
        with self._turn:
            view = self._follow()
            if view is None:
                return None
            if self._drawn is not view:
                self._drawn, self._curves = view, {name: CurveBuilder(name) for name in CURVES}
            series = ((builder, view.series.get(name)) for name, builder in self._curves.items())
            curves = tuple(curve for builder, found in series if found and (curve := builder.follow(found)))
            return run_look(view, curves)

    def figures(self, base: str = "", changes: Sequence[str] = ()) -> list[Figure]:
        """What can be put into a note about the run now."""
        with self._turn:
            return figures(self._follow(), base, changes)

    def _follow(self) -> RunView | None:
        found = find_runs(self._lab, self._version)
        if not found:
            return None
        if self._newest is None or self._newest.dir != found[0]:
            self._newest = QuickView(found[0])
        newest = self._newest
        newest.poll()
        if self._view is None:
            self._view = next((QuickView(run) for run in found[1:] if run.run == self._first), newest)
        if self._view is not newest:
            self._view.poll()
            if newest.status.state.live or not self._view.status.state.live:
                self._view = newest
        return self._view
