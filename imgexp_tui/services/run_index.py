"""The runs of a lab as the main screen wants them. For the watching thread alone; it blocks on files.

A folder is listed again only when its modification time has moved, a run that has ended costs two `stat` calls a
look, and of a version's older runs only the live ones are followed: of the others, their best value is kept. Of a
version whose runs have all ended and that is not shown, nothing is read that an earlier look has kept (`kept_rows`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from imgexp_tui.paths import RUNS
from imgexp_tui.records.alerts import Alert
from imgexp_tui.records.metrics.fast_follower import QuickView
from imgexp_tui.records.metrics.follower import WATCHED, Best
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State
from imgexp_tui.services.log_tail import LogTail
from imgexp_tui.services.row_cache import KeptRows
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.lab import Log, Row
from imgexp_tui.views.runs.builder import CURVES, run_look
from imgexp_tui.views.runs.model import Member, Run

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.runner.launchers.slurm.poll import SlurmWatch

_SLICE = 0.15
"""Seconds of reading after which what is known so far is shown."""
_SPARK = 24
_DRAFT_PACE = 5.0
_SAVE_PACE = 3.0
_VIEWS = 32
"""Ended versions whose runs are held after they were shown; of others only their rows are."""
_IN_SIGHT = 32
"""Versions on each side of the shown one that may be in sight."""
_TURN, _TURNS = 250, 8
"""Versions out of sight that are looked at in one look, and in how many looks all of them are, however many."""
_ENDS = {state.value for state in State if not state.live}


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is kept of an older run that has ended: when it was last started, its best, and its place in a group."""

    stamp: int
    best: Best | None
    group: str
    member: Member


@dataclass(slots=True)
class _Runs:
    """The runs of one version.

    Attributes:
        found: newest first.
        unread: those that were not looked at yet.
        followed: run id → the newest run and every live one.
        ended: run id → an older run that has ended.
        shown: the newest run that is under way, or else that waits, or else the newest.
        log: the end of the shown run's log.
        made: what `LabRuns.shown` made of the shown run, where nothing has changed since and it is not live.
        turn: which of the older runs is asked next whether it was resumed.
    """

    stamp: int = -1
    found: list[RunDir] = field(default_factory=list)
    unread: list[RunDir] = field(default_factory=list)
    followed: dict[str, QuickView] = field(default_factory=dict)
    ended: dict[str, _Ended] = field(default_factory=dict)
    shown: QuickView | None = None
    curves: dict[str, CurveBuilder] = field(default_factory=dict)
    log: LogTail | None = None
    made: Run | None = None
    turn: int = 0
    looked: bool = False


class LabRuns:
    """Follows the runs of every version.

    Attributes:
        rows: version → its row, as of the latest `look`.
    """

    def __init__(self, lab: Path, kept: KeptRows | None = None) -> None:
        self._lab = lab
        self._kept = KeptRows(lab) if kept is None else kept
        self._save_due = 0.0
        self._first = ""
        self._held: list[str] = []
        self._places: dict[str, int] = {}
        self._next = 0
        self._signs: list[tuple[int, int]] = []
        self._versions: dict[str, _Runs] = {}
        self.rows: dict[str, Row] = {}
        self._written: tuple[object, dict[str, float]] = (None, {})
        self._drafts: frozenset[str] = frozenset()
        self._drafts_due = 0.0
        self._slurm: SlurmWatch | None = None
        self._opened = time.time()
        self._news: list[Alert] = []

    def look(
        self,
        names: list[str],
        first: str,
        hurried: Callable[[], bool] = lambda: False,
        *,
        every: bool = False,
    ) -> bool:
        """Look at the versions, `first` before the others. False where the time was up before all whose turn it is were
        looked at, or something else has to be done at once.

        Args:
            every: look at all, also where they are so many that those out of sight otherwise take turns.
        """
        end = time.monotonic() + _SLICE
        self._places = places = {name: i for i, name in enumerate(names)}
        order = self._order(names, first, every=every)
        for name in (n for n in list(self.rows) if n not in places):
            self._versions.pop(name, None)
            self.rows.pop(name, None)
        self._turn_to(first)
        done = 0
        for name in order:
            if name != first and hurried():
                break
            done += self._poll(name, end)
        self._ask_slurm()
        if time.monotonic() >= self._save_due:
            # Also while there is more to read: who ends the app before that has not waited for nothing.
            self._save_due = time.monotonic() + _SAVE_PACE
            self._kept.drop(places)
            self._kept.save()
        if done == len(order):
            self._next += self._share(names)
        return done == len(order)

    def _order(self, names: list[str], first: str, *, every: bool) -> list[str]:
        """The versions to look at, in this order: the shown one, live ones, those in sight, and others by turns."""
        at = self._places.get(first, 0)
        start = max(0, at - _IN_SIGHT)
        near = sorted(names[start : at + _IN_SIGHT], key=lambda name: abs(self._places[name] - at))
        live = [name for name, row in self.rows.items() if row.live and name in self._places]
        share = len(names) if every else self._share(names)
        self._next %= max(1, len(names))
        rest = [*names[self._next :], *names[: self._next]]
        unknown = [name for name in rest[share:] if name not in self.rows]
        return list(dict.fromkeys([*([first] if first in self._places else ()), *live, *near, *rest[:share], *unknown]))

    def _share(self, names: list[str]) -> int:
        return max(_TURN, len(names) // _TURNS)

    def look_at(self, version: str) -> bool:
        """Look at one version alone, which was looked at before; False where it was not."""
        if version not in self.rows:
            return False
        self._turn_to(version)
        return self._poll(version, time.monotonic() + _SLICE)

    def prepare(self, version: str) -> bool:
        """Read the runs of a version that may be shown next; False where they are not known yet."""
        if version not in self.rows:
            return False
        self._hold(version)
        return self._poll(version, time.monotonic() + _SLICE)

    def _turn_to(self, version: str) -> None:
        """Read this version's runs from now on."""
        if version != self._first:
            self._first = version
            self._hold(version)

    def _hold(self, version: str) -> None:
        """Hold a version's runs, and let go of those of ended ones that were held long ago."""
        self._held = [*(one for one in self._held if one != version), version]
        while len(self._held) > _VIEWS:
            old = self._held.pop(0)
            if self._kept.row(old):
                self._versions.pop(old, None)

    def stirs(self) -> bool:
        """Whether a live run has written something since the last call."""
        before = self._signs
        live = (
            view.dir for runs in self._versions.values() for view in runs.followed.values() if view.status.state.live
        )
        self._signs = [
            _sign(file) for run in live for file in (run.metrics, run.events, run.log, run.process, run.exit)
        ]
        return self._signs != before

    @property
    def reading(self) -> bool:
        """Whether a long record is being read by another process."""
        return any(view.reading for runs in self._versions.values() for view in runs.followed.values())

    def shown(self, version: str) -> Run | None:
        """A version's newest run under way, or else its newest; None without."""
        runs = self._versions.get(version)
        if runs is None or runs.shown is None:
            return None
        view = runs.shown
        if runs.made and not view.status.state.live:
            return runs.made
        for metric in CURVES:
            series = view.series.get(metric)
            if series and series.values:
                runs.curves.setdefault(metric, CurveBuilder(metric)).follow(series)
        curves = [b.curve for metric in CURVES if (b := runs.curves.get(metric)) and b.curve]
        runs.made = run_look(view, tuple(curves), _members(runs, view))
        return runs.made

    def log(self, version: str) -> Log:
        """The last lines that a version's shown run printed."""
        runs = self._versions.get(version)
        if runs is None or runs.shown is None:
            return Log()
        path = runs.shown.dir.log
        if runs.log is None or runs.log.path != path:
            runs.log = LogTail(path)
        return Log(runs.log.look())

    def news(self) -> list[Alert]:
        """What has happened to runs since the last call, in the notebook's order; none from before a first look."""
        found, self._news = self._news, []
        return sorted(found, key=lambda alert: self._places.get(alert.version, 0))

    def written(self, notebook: Notebook | None) -> dict[str, float]:
        """Version → when its notes last changed."""
        if notebook is not None and self._written[0] is not notebook:
            from imgexp_tui.notebook.history.log import note_times

            self._written = (notebook, note_times(self._lab, notebook))
        return self._written[1]

    def drafts(self) -> frozenset[str]:
        """The versions with drafts of notes that were never saved."""
        if time.monotonic() >= self._drafts_due:
            from imgexp_tui.notebook.history.drafts import drafts

            self._drafts_due = time.monotonic() + _DRAFT_PACE
            self._drafts = frozenset(d.version for d in drafts(self._lab))
        return self._drafts

    def _ask_slurm(self) -> None:
        """Have Slurm asked about those of the runs that may be live that it carries."""
        may_be: list[RunDir] = []
        for runs in self._versions.values():
            may_be += (view.dir for view in runs.followed.values() if view.status.state.live)
            may_be += runs.unread
        if may_be and self._slurm is None:
            from imgexp_tui.runner.launchers.slurm.poll import SlurmWatch

            self._slurm = SlurmWatch()
        if self._slurm:
            self._slurm.look(may_be)

    def _is_live(self, name: str) -> bool:
        row = self.rows.get(name)
        return row is not None and row.live > 0

    def _poll(self, name: str, end: float) -> bool:
        """Look at one version; False where the time is up and it has to wait, as long as it was looked at before."""
        runs = self._versions.get(name)
        if runs is None and name not in self._held and (row := self._kept.row(name)):
            if self.rows.get(name) != row:
                self.rows[name] = row
            return True
        runs = self._versions.setdefault(name, _Runs())
        if time.monotonic() > end and not self._is_live(name):
            return runs.looked
        self._find(name, runs)
        changed = self._read(runs, end)
        changed = self._follow(runs) or changed
        if changed or not runs.looked:
            runs.made = None
            self.rows[name] = _row(runs)
            self._keep(name, runs)
        runs.looked = True
        return not runs.unread

    def _keep(self, name: str, runs: _Runs) -> None:
        """Keep the row of a version whose runs have all ended; its runs are let go where it is not shown."""
        settled = runs.stamp >= 0 and not runs.unread and not any(view.reading for view in runs.followed.values())
        if not settled or self.rows[name].live:
            return
        self._kept.put(name, [run.run for run in runs.found], self.rows[name])
        if name not in self._held and self._kept.row(name):
            self._versions.pop(name, None)

    def _find(self, name: str, runs: _Runs) -> None:
        """List the version's folder again where it has changed."""
        folder = self._lab / RUNS / name
        stamp = _modified(folder)
        if stamp == runs.stamp:
            return
        runs.found = find_runs(self._lab, name)
        # A folder whose request is still being written is no run yet, so that the look at it is not settled.
        runs.stamp = stamp if len(runs.found) >= _folders(folder) else -1
        there = {run.run for run in runs.found}
        runs.followed = {run: view for run, view in runs.followed.items() if run in there}
        runs.ended = {run: end for run, end in runs.ended.items() if run in there}
        if runs.found and (newest := runs.found[0]).run not in runs.followed:
            runs.followed[newest.run] = QuickView(newest)
            runs.ended.pop(newest.run, None)
        known = runs.followed.keys() | runs.ended.keys()
        runs.unread = [run for run in runs.found if run.run not in known]
        runs.looked = False

    def _read(self, runs: _Runs, end: float) -> bool:
        """Read the older runs that were not read yet, as long as there is time; True where there were any."""
        self._ask_one(runs)
        some = bool(runs.unread)
        while runs.unread and time.monotonic() <= end:
            run = runs.unread.pop(0)
            view = runs.followed[run.run] = QuickView(run)
            view.poll()
            self._news += view.news.take(self._opened)
            _settle(runs, view)
        return some

    def _ask_one(self, runs: _Runs) -> None:
        """Look whether an older run that has ended was resumed: one in each look, so that many cost nothing."""
        if len(runs.found) > 1:
            runs.turn = runs.turn % (len(runs.found) - 1) + 1
            run = runs.found[runs.turn]
            if (known := runs.ended.get(run.run)) and known.stamp != _modified(run.process):
                del runs.ended[run.run]
                runs.unread.append(run)

    def _follow(self, runs: _Runs) -> bool:
        """Read what is new in the followed runs, and choose the one that is shown; True where a row may differ."""
        changed = False
        for view in list(runs.followed.values()):
            changed = view.poll() or view.status.state.live or changed
            self._news += view.news.take(self._opened)
            _settle(runs, view)
        shown = max(runs.followed.values(), key=lambda view: (view.status.state.rank, view.run), default=None)
        if shown is not runs.shown:
            runs.shown, runs.curves, changed = shown, {}, True
        return changed


def _settle(runs: _Runs, view: QuickView) -> None:
    """Let go of an older run that has ended, but for its best value."""
    if view.run != runs.found[0].run and not view.status.state.live and not view.reading:
        group = view.request.group if view.request else ""
        runs.ended[view.run] = _Ended(_modified(view.dir.process), view.best(), group, _member(view))
        del runs.followed[view.run]


def _members(runs: _Runs, view: QuickView) -> tuple[Member, ...]:
    """The runs that were started together with this one for their seeds, by seed; () for one by itself."""
    group = view.request.group if view.request else ""
    if not group:
        return ()
    ended = (one.member for one in runs.ended.values() if one.group == group)
    live = (_member(one) for one in runs.followed.values() if one.request and one.request.group == group)
    return tuple(sorted((*ended, *live), key=lambda one: (one.seed, one.run)))


def _member(view: QuickView) -> Member:
    best = view.best()
    seed = view.request.seed if view.request else 0
    return Member(view.run, seed, view.status.state.value, best.value if best else None)


def _row(runs: _Runs) -> Row:
    view = runs.shown
    if view is None:
        return Row()
    own = view.best()
    others = _least([b for b in _others(runs, view) if b])
    best = own or others
    of_all = _least([b for b in (own, others) if b])
    states = [followed.status.state for followed in runs.followed.values()]
    members = _members(runs, view)
    return Row(
        state=view.status.state.value,
        live=sum(state.live for state in states),
        queued=states.count(State.QUEUED),
        group=(sum(one.state in _ENDS for one in members), len(members)) if len(members) > 1 else None,
        seeds=_over(members),
        metric=best.metric if best else "",
        best=best.value if best else None,
        accuracy=_accuracy(best),
        borrowed=own is None and best is not None,
        numbers=tuple(of_all.numbers.items()) if of_all else (),
        epoch=None if view.epoch is None or not math.isfinite(view.epoch) else int(view.epoch),
        epochs=view.epochs,
        spark=_thinned(view),
        runs=len(runs.found),
        shown=view.run,
    )


def _over(members: tuple[Member, ...]) -> tuple[float, float, int] | None:
    values = [one.best for one in members if one.best is not None]
    return (fmean(values), stdev(values), len(values)) if len(values) > 1 else None


def _others(runs: _Runs, view: QuickView) -> Iterator[Best | None]:
    """The best of each run but the shown one."""
    yield from (one.best for one in runs.ended.values())
    yield from (followed.best() for followed in runs.followed.values() if followed is not view)


def _least(found: list[Best]) -> Best | None:
    return min(found, key=lambda best: (WATCHED.index(best.metric), best.value), default=None)


def _accuracy(best: Best | None) -> float | None:
    if best is None:
        return None
    beside = best.beside.get(best.metric.replace("loss", "accuracy"))
    return beside if beside is not None and math.isfinite(beside) else None


def _thinned(view: QuickView) -> tuple[float, ...]:
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


def _sign(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _folders(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.is_dir() for entry in entries)
    except OSError:
        return 0
