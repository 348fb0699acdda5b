"""Follows the runs of every version of a lab for the main screen. For the watcher's thread; it blocks on files.

It is cheap to poll. A folder is listed again only when its modification time has changed. A run that has ended costs
two `stat` calls a poll. Of a version's older runs only the live ones are followed; of the others their best value is
kept. A version that is not displayed and whose runs have all ended is not read when `row_cache` has its row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.paths import RUNS, modified_ns
from imgexp_tui.records.alerts import Alert
from imgexp_tui.records.metrics.metric import (
    DEFAULT_METRICS,
    MetricTable,
    lab_metrics,
    panel_metrics,
    version_judges,
)
from imgexp_tui.records.metrics.source_registry import metric_files
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.services import run_followers
from imgexp_tui.services.log_tail import LogTail
from imgexp_tui.services.row_cache import RowCache
from imgexp_tui.services.version_rows import VersionRuns, build_row, group_members, retire_ended
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.lab import LogLines, VersionRow
from imgexp_tui.views.runs.builder import summarize_run
from imgexp_tui.views.runs.model import RunSummary

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.runner.launchers.poller import JobPoller

_READ_TIME_LIMIT = 0.15
"""Seconds of reading after which a poll returns what is known so far."""
_DRAFT_INTERVAL = 5.0
_SAVE_INTERVAL = 3.0
_MAX_HELD_VERSIONS = 32
"""Versions without a live run whose runs stay in memory after they were displayed; of others only the rows do."""
_NEARBY_VERSIONS = 32
"""Versions on each side of the displayed one that may be visible."""
_MIN_VERSIONS_PER_POLL, _POLLS_PER_ROUND = 250, 8
"""The least versions out of sight that one poll reads, and the polls after which all have been read."""


class RunIndex:
    """Follows the runs of every version.

    Attributes:
        rows: version → its row, as of the latest `poll`.
    """

    def __init__(self, lab: Path, row_cache: RowCache | None = None) -> None:
        self._lab = lab
        self._row_cache = RowCache(lab) if row_cache is None else row_cache
        self._next_save = 0.0
        self._displayed_version = ""
        self._held_versions: list[str] = []
        self._positions: dict[str, int] = {}
        self._next_position = 0
        self._file_stamps: list[tuple[int, int]] = []
        self._versions: dict[str, VersionRuns] = {}
        self.rows: dict[str, VersionRow] = {}
        self._note_times: tuple[object, dict[str, float]] = (None, {})
        self._drafts: frozenset[str] = frozenset()
        self._next_draft_check = 0.0
        self._job_poller: JobPoller | None = None
        self._opened_at = time.time()
        self._alerts: list[Alert] = []
        self._notebook: Notebook | None = None
        self._metrics: MetricTable = DEFAULT_METRICS

    def set_notebook(self, notebook: Notebook | None) -> None:
        """Judge and format as this notebook says; where that has changed, rows are built again."""
        if notebook is None or notebook is self._notebook:
            return
        self._notebook = notebook
        metrics_changed = lab_metrics(notebook) != self._metrics
        self._metrics = lab_metrics(notebook)
        for name, runs in self._versions.items():
            judges = version_judges(notebook, name, self._metrics)
            if judges != runs.judges or metrics_changed:
                runs.judges, runs.is_polled, runs.curves, runs.cached_summary = judges, False, {}, None
                runs.unread += [run for run in runs.run_dirs if run.run_id in runs.ended]
                runs.alerts_taken |= runs.ended.keys()
                runs.ended = {}

    def poll(
        self,
        names: list[str],
        displayed: str,
        is_interrupted: Callable[[], bool] = lambda: False,
        *,
        all_versions: bool = False,
    ) -> bool:
        """Read what is new in the versions, `displayed` before the others.

        False where the time was up before all versions of this poll were read, or where it was interrupted.

        Args:
            names: all versions, in the notebook's order.
            is_interrupted: asked between versions, whether something else has to be done at once.
            all_versions: poll all, even where they are so many that versions out of sight take turns otherwise.
        """
        end = time.monotonic() + _READ_TIME_LIMIT
        self._positions = positions = {name: i for i, name in enumerate(names)}
        order = self._poll_order(names, displayed, all_versions=all_versions)
        for name in (n for n in list(self.rows) if n not in positions):
            self._versions.pop(name, None)
            self.rows.pop(name, None)
        self._set_displayed(displayed)
        done = 0
        for name in order:
            if name != displayed and is_interrupted():
                break
            done += self._update_version(name, end)
        self._poll_jobs()
        if time.monotonic() >= self._next_save:
            # Also while there is more to read: what was read is not lost when the app is ended before.
            self._next_save = time.monotonic() + _SAVE_INTERVAL
            self._row_cache.retain_only(positions)
            self._row_cache.save()
        if done == len(order):
            self._next_position += self._versions_per_poll(names)
        return done == len(order)

    def _poll_order(self, names: list[str], displayed: str, *, all_versions: bool) -> list[str]:
        """The versions to poll, in this order: the displayed one, live ones, visible ones, and others by turns."""
        at = self._positions.get(displayed, 0)
        start = max(0, at - _NEARBY_VERSIONS)
        near = sorted(names[start : at + _NEARBY_VERSIONS], key=lambda name: abs(self._positions[name] - at))
        live = [name for name, row in self.rows.items() if row.live and name in self._positions]
        share = len(names) if all_versions else self._versions_per_poll(names)
        self._next_position %= max(1, len(names))
        rest = [*names[self._next_position :], *names[: self._next_position]]
        unknown = [name for name in rest[share:] if name not in self.rows]
        return list(
            dict.fromkeys(
                [*([displayed] if displayed in self._positions else ()), *live, *near, *rest[:share], *unknown]
            )
        )

    def _versions_per_poll(self, names: list[str]) -> int:
        return max(_MIN_VERSIONS_PER_POLL, len(names) // _POLLS_PER_ROUND)

    def poll_version(self, version: str) -> bool:
        """Poll one version alone; False where it was never polled before, or time was up."""
        if version not in self.rows:
            return False
        self._set_displayed(version)
        return self._update_version(version, time.monotonic() + _READ_TIME_LIMIT)

    def prefetch(self, version: str) -> bool:
        """Read the runs of a version that may be displayed next; False where they are not known yet."""
        if version not in self.rows:
            return False
        self._hold_version(version)
        return self._update_version(version, time.monotonic() + _READ_TIME_LIMIT)

    def _set_displayed(self, version: str) -> None:
        """Keep this version's runs in memory from now on."""
        if version != self._displayed_version:
            self._displayed_version = version
            self._hold_version(version)

    def _hold_version(self, version: str) -> None:
        """Keep a version's runs in memory, and drop those that were kept longest and have ended."""
        self._held_versions = [*(one for one in self._held_versions if one != version), version]
        while len(self._held_versions) > _MAX_HELD_VERSIONS:
            old = self._held_versions.pop(0)
            if self._row_cache.get(old):
                self._versions.pop(old, None)

    def has_new_output(self) -> bool:
        """Whether a live run has written anything since the last call."""
        before = self._file_stamps
        live = (
            view.run_dir
            for runs in self._versions.values()
            for view in runs.followers.values()
            if view.status.state.live
        )
        self._file_stamps = [
            _file_stamp(file)
            for run in live
            for file in (*metric_files(run), run.events, run.log, run.process, run.exit)
        ]
        return self._file_stamps != before

    @property
    def is_reading(self) -> bool:
        """Whether another process is reading a long record."""
        return any(view.is_partial for runs in self._versions.values() for view in runs.followers.values())

    def displayed_run(self, version: str) -> RunSummary | None:
        """A version's newest live run, or else its newest run; None without."""
        runs = self._versions.get(version)
        if runs is None or runs.displayed is None:
            return None
        view = runs.displayed
        if runs.cached_summary and not view.status.state.live:
            return runs.cached_summary
        metrics = panel_metrics(runs.judges)
        for metric in metrics:
            series = view.series.get(metric)
            if series and series.values:
                runs.curves.setdefault(metric, CurveBuilder(metric, self._metrics)).update(series)
        curves = [b.curve for metric in metrics if (b := runs.curves.get(metric)) and b.curve]
        runs.cached_summary = summarize_run(view, tuple(curves), runs.judges, group_members(runs, view))
        return runs.cached_summary

    def log(self, version: str) -> LogLines:
        """The last lines that a version's displayed run printed."""
        runs = self._versions.get(version)
        if runs is None or runs.displayed is None:
            return LogLines()
        path = runs.displayed.run_dir.log
        if runs.log is None or runs.log.path != path:
            runs.log = LogTail(path)
        return LogLines(runs.log.poll())

    def take_alerts(self) -> list[Alert]:
        """What has happened to runs since the last call, in the notebook's order; nothing older than this object."""
        alerts, self._alerts = self._alerts, []
        return sorted(alerts, key=lambda alert: self._positions.get(alert.version, 0))

    def note_times(self, notebook: Notebook | None) -> dict[str, float]:
        """Version → when its notes last changed."""
        if notebook is not None and self._note_times[0] is not notebook:
            from imgexp_tui.notebook.history.log import last_changed_times

            self._note_times = (notebook, last_changed_times(self._lab, notebook))
        return self._note_times[1]

    def versions_with_drafts(self) -> frozenset[str]:
        """The versions that have drafts of notes which were never saved."""
        if time.monotonic() >= self._next_draft_check:
            from imgexp_tui.notebook.history.drafts import read_drafts

            self._next_draft_check = time.monotonic() + _DRAFT_INTERVAL
            self._drafts = frozenset(d.version for d in read_drafts(self._lab))
        return self._drafts

    def _poll_jobs(self) -> None:
        """Have the launchers asked about the runs that may be live jobs of theirs."""
        may_be: list[RunDir] = []
        for runs in self._versions.values():
            may_be += (view.run_dir for view in runs.followers.values() if view.status.state.live)
            may_be += runs.unread
        if may_be and self._job_poller is None:
            from imgexp_tui.runner.launchers.poller import JobPoller

            self._job_poller = JobPoller()
        if self._job_poller:
            self._job_poller.poll(may_be)

    def _is_live(self, name: str) -> bool:
        row = self.rows.get(name)
        return row is not None and row.live > 0

    def _update_version(self, name: str, deadline: float) -> bool:
        """Poll one version; False where the time is up and some of its runs were not read yet."""
        runs = self._versions.get(name)
        cached = self._row_cache.get(name) if runs is None and name not in self._held_versions else None
        if (row := cached) and self._is_current(name, row):
            if self.rows.get(name) != row:
                self.rows[name] = row
            return True
        runs = self._versions.setdefault(name, VersionRuns(judges=version_judges(self._notebook, name, self._metrics)))
        if time.monotonic() > deadline and not self._is_live(name):
            return runs.is_polled
        self._list_runs(name, runs)
        changed = self._read_unread(runs, deadline)
        changed = self._poll_followers(runs) or changed
        if changed or not runs.is_polled:
            runs.cached_summary = None
            self.rows[name] = build_row(runs, self._metrics)
            self._cache_row(name, runs)
        runs.is_polled = True
        return not runs.unread

    def _is_current(self, name: str, row: VersionRow) -> bool:
        """Whether a cached row was judged and formatted as the notebook says now."""
        judge = version_judges(self._notebook, name, self._metrics)[0]
        unit = self._metrics[row.metric].unit if row.metric else ""
        return not row.runs or (row.judge, row.goal, row.unit) == (judge.metric, judge.goal, unit)

    def _cache_row(self, name: str, runs: VersionRuns) -> None:
        """Cache the row of a version whose runs have all ended, and drop its runs where it is not displayed."""
        settled = runs.stamp >= 0 and not runs.unread and not any(view.is_partial for view in runs.followers.values())
        if not settled or self.rows[name].live:
            return
        self._row_cache.put(name, [run.run_id for run in runs.run_dirs], self.rows[name])
        if name not in self._held_versions and self._row_cache.get(name):
            self._versions.pop(name, None)

    def _list_runs(self, name: str, runs: VersionRuns) -> None:
        """List the version's folder again where it has changed."""
        folder = self._lab / RUNS / name
        stamp = modified_ns(folder)
        if stamp == runs.stamp:
            return
        runs.run_dirs = find_runs(self._lab, name)
        # A folder whose request is still being written is no run yet: list again at the next poll.
        runs.stamp = stamp if len(runs.run_dirs) >= _count_folders(folder) else -1
        run_ids = {run.run_id for run in runs.run_dirs}
        runs.followers = {run: view for run, view in runs.followers.items() if run in run_ids}
        runs.ended = {run: end for run, end in runs.ended.items() if run in run_ids}
        if runs.run_dirs and (newest := runs.run_dirs[0]).run_id not in runs.followers:
            runs.followers[newest.run_id] = run_followers.acquire(newest)
            runs.ended.pop(newest.run_id, None)
        known = runs.followers.keys() | runs.ended.keys()
        runs.unread = [run for run in runs.run_dirs if run.run_id not in known]
        runs.is_polled = False

    def _read_unread(self, runs: VersionRuns, deadline: float) -> bool:
        """Read older runs that were not read yet, as long as there is time; True where there were any."""
        self._check_resumed(runs)
        some = bool(runs.unread)
        while runs.unread and time.monotonic() <= deadline:
            run = runs.unread.pop(0)
            view = runs.followers[run.run_id] = run_followers.acquire(run)
            view.poll()
            alerts = view.take_alerts(self._opened_at)
            self._alerts += [] if run.run_id in runs.alerts_taken else alerts
            runs.alerts_taken.discard(run.run_id)
            retire_ended(runs, view)
        return some

    def _check_resumed(self, runs: VersionRuns) -> None:
        """Check whether an older run that has ended was resumed: one run each poll, so that many cost nothing."""
        if len(runs.run_dirs) > 1:
            runs.resume_check_index = runs.resume_check_index % (len(runs.run_dirs) - 1) + 1
            run = runs.run_dirs[runs.resume_check_index]
            if (known := runs.ended.get(run.run_id)) and known.stamp != modified_ns(run.process):
                del runs.ended[run.run_id]
                runs.unread.append(run)

    def _poll_followers(self, runs: VersionRuns) -> bool:
        """Read what is new in the followed runs, and choose the displayed one; True where the row may differ."""
        changed = False
        for view in list(runs.followers.values()):
            changed = view.poll() or view.status.state.live or changed
            self._alerts += view.take_alerts(self._opened_at)
            retire_ended(runs, view)
        displayed = max(runs.followers.values(), key=lambda view: (view.status.state.rank, view.run_id), default=None)
        if displayed is not runs.displayed:
            runs.displayed, runs.curves, changed = displayed, {}, True
        return changed


def _file_stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _count_folders(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.is_dir() for entry in entries)
    except OSError:
        return 0
