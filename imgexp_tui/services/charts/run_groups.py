"""Follows the runs that are charted: for each choice its newest run, and those that differ from it in the seed only.

Blocks on files; for threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.paths import RUNS
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.history import RunSeries
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.views.charts.model import Choice


@dataclass(frozen=True, slots=True)
class Group:
    """One run, or several that were started together for their seeds."""

    name: str
    runs: tuple[RunSeries, ...]


class ChartRuns:
    """The runs of some choices.

    Args:
        lab: the lab's folder.
        choices: what is charted, in this order.
    """

    def __init__(self, lab: Path, choices: Sequence[Choice]) -> None:
        self._lab = lab
        self.choices = tuple(choices)
        self.groups: tuple[Group, ...] = ()
        self._series: dict[Path, RunSeries] = {}
        self._groups_of: dict[Path, str] = {}
        self._stamps: dict[str, int] = {}

    def poll(self) -> bool:
        """Read what was added; True where anything changed."""
        changed = self._find()
        for group in self.groups:
            for run in group.runs:
                changed = run.poll() or changed
        return changed

    def choose(self, choices: Sequence[Choice]) -> None:
        """Chart others."""
        self.choices = tuple(choices)
        self._stamps.clear()

    @property
    def reading(self) -> bool:
        """Whether a long record is still being read."""
        return any(run.reading for group in self.groups for run in group.runs)

    def _find(self) -> bool:
        """List the runs again where a version's folder has changed, or its shown run has measured nothing so far."""
        versions = dict.fromkeys(choice.version for choice in self.choices)
        stamps = {version: _modified(self._lab / RUNS / version) for version in versions}
        empty = any(not run.last_step for group in self.groups for run in group.runs)
        if stamps == self._stamps and not empty:
            return False
        found = {version: find_runs(self._lab, version) for version in versions}
        groups = [group for choice in self.choices if (group := self._group(choice, found[choice.version]))]
        changed = [(g.name, [r.run.path for r in g.runs]) for g in groups] != [
            (g.name, [r.run.path for r in g.runs]) for g in self.groups
        ]
        self.groups, self._stamps = tuple(groups), stamps
        kept = {run.run.path for group in groups for run in group.runs}
        self._series = {path: series for path, series in self._series.items() if path in kept}
        return changed

    def _group(self, choice: Choice, runs: list[RunDir]) -> Group | None:
        shown = next((run for run in runs if run.run == choice.run), None)
        if shown is None and not choice.run:
            shown = next((run for run in runs if _size(run.metrics)), runs[0] if runs else None)
        if shown is None:
            return None
        # The runs of one version, of which several are charted, are told apart by the end of their names.
        alone = sum(other.version == choice.version for other in self.choices) == 1
        name = choice.version if alone else f"{choice.version} {shown.run.rpartition('-')[2]}"
        group = self._group_of(shown) if alone else ""
        members = [run for run in runs if run is not shown and group and self._group_of(run) == group]
        return Group(name, tuple(self._followed(run) for run in (shown, *members)))

    def _group_of(self, run: RunDir) -> str:
        if run.path not in self._groups_of and (request := Request.read(run)):
            self._groups_of[run.path] = request.group
        return self._groups_of.get(run.path, "")

    def _followed(self, run: RunDir) -> RunSeries:
        return self._series.setdefault(run.path, RunSeries(run))


def every_run(lab: Path, versions: Sequence[str], most: int) -> list[Choice]:
    """Every run of some versions that has measured anything, each by itself, at most so many."""
    found = [Choice(version, run.run) for version in versions for run in find_runs(lab, version) if _size(run.metrics)]
    return found[:most]


def _modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
