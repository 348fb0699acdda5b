"""The runs of a lab as the main screen wants them. For the watching thread alone; it blocks on files.

A folder is listed again only when its modification time has moved, a run that has ended costs two `stat` calls a
look, and of a version's older runs only the best value is kept.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.paths import RUNS
from imgexp_tui.records.follow import WATCHED, Best, RunView
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.runner.slurm_watch import SlurmWatch
from imgexp_tui.tui.curves import CurveBuilder
from imgexp_tui.tui.log_tail import LogTail
from imgexp_tui.tui.looks import Log, Row
from imgexp_tui.tui.run_look import CURVES, run_look
from imgexp_tui.tui.shown_run import Run

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook

_SLICE = 0.15
"""Seconds of reading after which what is known so far is shown."""
_SPARK = 24
_DRAFT_PACE = 5.0


@dataclass(slots=True)
class _Runs:
    """The runs of one version."""

    stamp: int = -1
    latest: RunView | None = None
    older: list[RunDir] = field(default_factory=list)
    best: dict[str, Best | None] = field(default_factory=dict)
    curves: dict[str, CurveBuilder] = field(default_factory=dict)
    looked: bool = False

    def views(self) -> int:
        return len(self.older) + (self.latest is not None)


class LabRuns:
    """Follows the runs of every version.

    Attributes:
        rows: version → its row, as of the latest `look`.
    """

    def __init__(self, lab: Path) -> None:
        self._lab = lab
        self._versions: dict[str, _Runs] = {}
        self.rows: dict[str, Row] = {}
        self._log: LogTail | None = None
        self._written: tuple[object, dict[str, float]] = (None, {})
        self._drafts: frozenset[str] = frozenset()
        self._drafts_due = 0.0
        self._slurm = SlurmWatch()

    def look(self, names: list[str], first: str) -> bool:
        """Look at every version, `first` before the others. False where the time was up before all were looked at."""
        end = time.monotonic() + _SLICE
        order = sorted(names, key=lambda name: (name != first, not self._is_live(name)))
        for name in (n for n in list(self._versions) if n not in names):
            del self._versions[name]
            self.rows.pop(name, None)
        done = [name for name in order if self._poll(name, end)]
        self._slurm.look(self._open())
        return len(done) == len(order)

    def shown(self, version: str) -> Run | None:
        """A version's latest run; None without."""
        runs = self._versions.get(version)
        if runs is None or runs.latest is None:
            return None
        view = runs.latest
        for metric in CURVES:
            series = view.series.get(metric)
            if series and series.values:
                runs.curves.setdefault(metric, CurveBuilder(metric)).follow(series)
        curves = [b.curve for metric in CURVES if (b := runs.curves.get(metric)) and b.curve]
        return run_look(view, tuple(curves))

    def log(self, version: str) -> Log:
        """The last lines that a version's latest run printed."""
        runs = self._versions.get(version)
        if runs is None or runs.latest is None:
            return Log()
        path = runs.latest.dir.log
        if self._log is None or self._log.path != path:
            self._log = LogTail(path)
        return Log(self._log.look())

    def written(self, notebook: Notebook | None) -> dict[str, float]:
        """Version → when its notes last changed."""
        if notebook is not None and self._written[0] is not notebook:
            from imgexp_tui.notebook.history import note_times

            self._written = (notebook, note_times(self._lab, notebook))
        return self._written[1]

    def drafts(self) -> frozenset[str]:
        """The versions with drafts of notes that were never saved."""
        if time.monotonic() >= self._drafts_due:
            from imgexp_tui.notebook.journal import drafts

            self._drafts_due = time.monotonic() + _DRAFT_PACE
            self._drafts = frozenset(d.version for d in drafts(self._lab))
        return self._drafts

    def _open(self) -> Iterator[RunDir]:
        """The runs that may be live."""
        for name, runs in self._versions.items():
            if runs.latest and self._is_live(name):
                yield runs.latest.dir
            yield from (run for run in runs.older if run.run not in runs.best)

    def _is_live(self, name: str) -> bool:
        row = self.rows.get(name)
        return row is not None and row.live

    def _poll(self, name: str, end: float) -> bool:
        """Look at one version; False where the time is up and it has to wait, as long as it was looked at before."""
        runs = self._versions.setdefault(name, _Runs())
        if time.monotonic() > end and not self._is_live(name):
            return runs.looked
        self._find(name, runs)
        if runs.latest is None:
            self.rows[name] = Row()
        elif runs.latest.poll() or not runs.looked or runs.latest.status.state.live:
            self.rows[name] = self._row(runs, runs.latest)
        runs.looked = True
        return self._judge_older(name, runs, end)

    def _find(self, name: str, runs: _Runs) -> None:
        stamp = _modified(self._lab / RUNS / name)
        if stamp == runs.stamp:
            return
        found = find_runs(self._lab, name)
        # A folder whose request is still being written is no run yet, so that the look at it is not settled.
        runs.stamp = stamp if len(found) >= _folders(self._lab / RUNS / name) else -1
        if not found:
            runs.latest, runs.older = None, []
            return
        if runs.latest is None or runs.latest.dir != found[0]:
            runs.latest, runs.curves = RunView(found[0]), {}
            runs.looked = False
        runs.older = found[1:]

    def _judge_older(self, name: str, runs: _Runs, end: float) -> bool:
        """Read the older runs once, for their best values; False while some are left."""
        unread = [run for run in runs.older if run.run not in runs.best]
        for run in unread:
            if time.monotonic() > end:
                return False
            view = RunView(run)
            view.poll()
            if not view.status.state.live:
                runs.best[run.run] = view.best()
            if runs.latest:
                self.rows[name] = self._row(runs, runs.latest)
        return True

    def _row(self, runs: _Runs, view: RunView) -> Row:
        older = [runs.best.get(run.run) for run in runs.older]
        best = _least([b for b in (view.best(), *older) if b])
        state = view.status.state
        return Row(
            state=state.value,
            live=state.live,
            metric=best.metric if best else "",
            best=best.value if best else None,
            accuracy=_accuracy(best),
            epoch=None if view.epoch is None or not math.isfinite(view.epoch) else int(view.epoch),
            epochs=view.epochs,
            spark=_thinned(view),
            runs=runs.views(),
            latest=view.run,
        )


def _least(found: list[Best]) -> Best | None:
    return min(found, key=lambda best: (WATCHED.index(best.metric), best.value), default=None)


def _accuracy(best: Best | None) -> float | None:
    if best is None:
        return None
    beside = best.beside.get(best.metric.replace("loss", "accuracy"))
    return beside if beside is not None and math.isfinite(beside) else None


def _thinned(view: RunView) -> tuple[float, ...]:
    """The curve of the first watched metric in few values, each the highest of its stretch."""
    series = next((s for metric in WATCHED if (s := view.series.get(metric)) and len(s.values) > 1), None)
    if series is None:
        return ()
    values, count = series.values, len(series.values)
    if count <= _SPARK:
        return tuple(values)
    power = 1 << max(0, (-(-count // _SPARK) - 1).bit_length())
    return tuple(_highest(values[i : i + power]) for i in range(0, count, power))


def _highest(values: Iterable[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return max(finite, default=math.nan)


def _modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _folders(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.is_dir() for entry in entries)
    except OSError:
        return 0
