"""Looks for findings in the run that is shown, in a thread of its own: a long record must not hold up the live curves.

It reads the run for itself, because what follows a run belongs to one thread; a long record is left to another process.
The cursor may run over many versions; only where it rests is anything read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from imgexp_tui.findings.comparison_runs import relatives_of
from imgexp_tui.findings.engine import COST, Engine
from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.paths import RUNS
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.services.findings.findings_process import findings_apart, is_long
from imgexp_tui.text import clean_line

_REST = 0.3
"""Seconds that the cursor rests on a version before its run is read."""
_LIVE_PACE, _STILL_PACE = 5.0, 10.0
_PATIENCE = 0.3
_MOST = 32
"""Runs of a version that a run is compared with, the newest."""

Wanted = tuple[str, str, tuple[str, ...]]


class FindingWatch:
    """Follows one run at a time.

    Args:
        told: called from the thread when `found` has something new.
    """

    def __init__(self, lab: Path, told: Callable[[], object]) -> None:
        self._lab = lab
        self._told = told
        self._news = threading.Condition()
        self._wanted: Wanted | None = None
        self._found: tuple[Wanted, tuple[Finding, ...]] | None = None
        self._thread: threading.Thread | None = None
        self._ending = False

    def found(self, version: str, run: str, off: Sequence[str]) -> tuple[Finding, ...] | None:
        """What is known of a run, which is followed from now on; None where nothing is yet."""
        wanted = (version, run, tuple(off))
        with self._news:
            if wanted != self._wanted:
                self._wanted = wanted
                self._news.notify()
            if self._thread is None and not self._ending:
                self._thread = threading.Thread(target=self._run, name="findings", daemon=True)
                self._thread.start()
            return self._found[1] if self._found and self._found[0] == wanted else None

    def stop(self) -> None:
        """End the thread, and with it the process that looks at a long record."""
        with self._news:
            self._ending = True
            self._news.notify()
        if self._thread:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        follower: _Follower | None = None
        while (wanted := self._next(follower)) is not None:
            if follower is None or follower.wanted != wanted:
                follower = _Follower(self._lab, wanted, partial(self._is_wanted, wanted))
            found = follower.look()
            with self._news:
                new = self._found != (wanted, found)
                self._found = (wanted, found)
            if new:
                self._told()

    def _next(self, follower: _Follower | None) -> Wanted | None:
        """What to look at, when it is time; None at the end."""
        with self._news:
            if follower is not None:
                before, pace = follower.wanted, _LIVE_PACE if follower.live and follower.stirs else _STILL_PACE
                self._news.wait_for(lambda: self._ending or self._wanted != before, pace)
            if follower is None or follower.wanted != self._wanted:
                while self._changes_within(_REST):
                    pass
            return None if self._ending else self._wanted

    def _is_wanted(self, wanted: Wanted) -> bool:
        with self._news:
            return not self._ending and self._wanted == wanted

    def _changes_within(self, seconds: float) -> bool:
        """Whether another run is wanted before so many seconds are over."""
        before = self._wanted
        return self._news.wait_for(lambda: self._ending or self._wanted != before, seconds) and not self._ending


class _Follower:
    """One run, and those that it is compared with.

    Attributes:
        stirs: it has done a step between the last two looks.
    """

    def __init__(self, lab: Path, wanted: Wanted, is_wanted: Callable[[], bool]) -> None:
        self.wanted = wanted
        self.stirs = True
        self._lab = lab
        self._is_wanted = is_wanted
        version, run, off = wanted
        self._view = RunView(RunDir(lab / RUNS / version / run))
        self._apart = is_long(lab, self._view.dir, _MOST)
        self._due = 0.0
        self._found: tuple[Finding, ...] = ()
        self._state: tuple[State, int] | None = None
        self._engine = Engine(self._view, off, lambda: relatives_of(self._view, self._runs))
        self._others: dict[Path, RunView] = {self._view.dir.path: self._view}

    @property
    def live(self) -> bool:
        return self._state[0].live if self._state else self._view.status.state.live

    def look(self) -> tuple[Finding, ...]:
        try:
            if self._apart:
                return self._look_apart()
            before = self._view.step
            self._view.poll()
            self.stirs = self._view.step != before
            return self._engine.look()
        except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave findings that are old
            why = clean_line(f"{type(error).__name__}: {error}")
            return (Finding("", Severity.INFO, f"Findings of this run cannot be made ({why})."),)

    def _look_apart(self) -> tuple[Finding, ...]:
        """As the engine does: at once where the run's state is another, and else the rarer the longer it takes."""
        run, start = self._view.dir, time.monotonic()
        state = status(run, Request.read(run)).state
        grown = run.metrics.stat().st_size if run.metrics.exists() else 0
        if (state, grown) != self._state and (start >= self._due or not self._state or state != self._state[0]):
            found = findings_apart(self._lab, run.run, self._is_wanted)
            self._found = tuple(one for one in found if one.name not in self.wanted[2])
            self._state, took = (state, grown), time.monotonic() - start
            self._due = time.monotonic() + COST * took
        return self._found

    def _runs(self, version: str) -> list[RunView]:
        found = []
        for run in find_runs(self._lab, version)[:_MOST]:
            view = self._others.setdefault(run.path, RunView(run))
            if view is not self._view:
                view.poll()
            found.append(view)
        return found
