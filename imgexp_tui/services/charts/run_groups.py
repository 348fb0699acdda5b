"""Follows the charted runs: for each choice, its run and the runs that differ from it only in the seed.

Blocks on files: use it in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.paths import RUNS, modified_ns
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.history import MetricHistory
from imgexp_tui.records.metrics.source_registry import metrics_size
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.views.charts.model import ChartChoice


@dataclass(frozen=True, slots=True)
class RunGroup:
    """One run, or several that were started together with different seeds; the chosen one is first."""

    name: str
    runs: tuple[MetricHistory, ...]


class ChartRuns:
    """The runs of some choices.

    Args:
        lab: the lab's folder.
        choices: the versions and runs to chart, in this order.
    """

    def __init__(self, lab: Path, choices: Sequence[ChartChoice]) -> None:
        self._lab = lab
        self.choices = tuple(choices)
        self.groups: tuple[RunGroup, ...] = ()
        self._histories: dict[Path, MetricHistory] = {}
        self._group_ids: dict[Path, str] = {}
        self._folder_mtimes: dict[str, int] = {}

    def poll(self) -> bool:
        """Read new records; returns whether anything changed."""
        changed = self._refresh_groups()
        for group in self.groups:
            for run in group.runs:
                changed = run.poll() or changed
        return changed

    def set_choices(self, choices: Sequence[ChartChoice]) -> None:
        """Replace the charted versions and runs."""
        self.choices = tuple(choices)
        self._folder_mtimes.clear()

    @property
    def is_reading(self) -> bool:
        """Whether a long record is still being read."""
        return any(run.is_partial for group in self.groups for run in group.runs)

    def _refresh_groups(self) -> bool:
        """List the runs again if a version's folder changed, or a charted run has no records yet."""
        versions = dict.fromkeys(choice.version for choice in self.choices)
        stamps = {version: modified_ns(self._lab / RUNS / version) for version in versions}
        empty = any(not run.last_step for group in self.groups for run in group.runs)
        if stamps == self._folder_mtimes and not empty:
            return False
        runs_by_version = {version: find_runs(self._lab, version) for version in versions}
        groups = [
            group for choice in self.choices if (group := self._build_group(choice, runs_by_version[choice.version]))
        ]
        changed = [(g.name, [r.run_dir.path for r in g.runs]) for g in groups] != [
            (g.name, [r.run_dir.path for r in g.runs]) for g in self.groups
        ]
        self.groups, self._folder_mtimes = tuple(groups), stamps
        open_paths = {run.run_dir.path for group in groups for run in group.runs}
        self._histories = {path: series for path, series in self._histories.items() if path in open_paths}
        return changed

    def _build_group(self, choice: ChartChoice, runs: list[RunDir]) -> RunGroup | None:
        main_run = next((run for run in runs if run.run_id == choice.run), None)
        if main_run is None and not choice.run:
            main_run = next((run for run in runs if metrics_size(run)), runs[0] if runs else None)
        if main_run is None:
            return None
        # Several charted runs of one version are distinguished by the end of their ids.
        alone = sum(other.version == choice.version for other in self.choices) == 1
        name = choice.version if alone else f"{choice.version} {main_run.run_id.rpartition('-')[2]}"
        group = self._group_id(main_run) if alone else ""
        members = [run for run in runs if run is not main_run and group and self._group_id(run) == group]
        return RunGroup(name, tuple(self._history_of(run) for run in (main_run, *members)))

    def _group_id(self, run: RunDir) -> str:
        if run.path not in self._group_ids and (request := Request.read(run)):
            self._group_ids[run.path] = request.group
        return self._group_ids.get(run.path, "")

    def _history_of(self, run: RunDir) -> MetricHistory:
        return self._histories.setdefault(run.path, MetricHistory(run))


def choices_for_all_runs(lab: Path, versions: Sequence[str], max_count: int) -> list[ChartChoice]:
    """A choice for every run of some versions that has records, at most `max_count`."""
    choices = [
        ChartChoice(version, run.run_id) for version in versions for run in find_runs(lab, version) if metrics_size(run)
    ]
    return choices[:max_count]
