"""Watches a lab from a thread of its own: the notebook, its runs, the shown run's log, the machine.

The thread reads; the screen is told that there is something new and takes the newest look when it gets to it, so that
looks never pile up behind a slow terminal. What has not changed is neither read again nor told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.paths import renaming
from imgexp_tui.services.notebook_reader import Opened, opened, stamp_of
from imgexp_tui.views.lab import Log, Look, Row

if TYPE_CHECKING:
    from imgexp_tui.records.alerts import Alert
    from imgexp_tui.services.findings.worker import FindingWatch
    from imgexp_tui.services.row_cache import KeptRows
    from imgexp_tui.services.run_index import LabRuns
    from imgexp_tui.views.machine.model import Machine
    from imgexp_tui.views.runs.model import Run

LIVE_PACE = 0.75
"""Seconds between two looks while a run is live."""
STILL_PACE = 1.9
"""Seconds while none is: no gauge's past, of two seconds a column, has a gap."""
_SILENT = 4
"""Looks that bring nothing of a live run, after which the next waits until its files change, but not for ever."""
_SIGNS, _SIGN_PACE = 3, 0.8
_READING_PACE = 0.03
"""While another process reads a long record: what it finds is to be seen at once."""
_MACHINE_PACE = 1.0
_DRAWN = 0.08
"""Seconds after which what was told is on the screen: until then the interpreter is the screen's alone."""


class Watcher:
    """Looks at one lab until it is stopped.

    Args:
        read: the notebook as it was read already.
        told: called from the thread when `take` has something new; not again before `take` was called.
        heard: called from the thread with what has happened to runs, and with `[lab]`.
        kept: rows that were read earlier; the thread's own from now on.
    """

    def __init__(
        self,
        lab: Path,
        read: Opened,
        told: Callable[[], object],
        heard: Callable[[list[Alert], Mapping[str, Any]], object] | None = None,
        kept: KeptRows | None = None,
    ) -> None:
        self._kept = kept
        self._lab = lab
        self._heard = heard
        self._told = told
        self._look = Look(read.notebook, read.trouble)
        self._read = read
        self._taken = True
        self._version = ""
        self._news = threading.Condition()
        self._hurry = True
        self._all = True
        self._all_due = 0.0
        self._rows: dict[str, tuple[Row, Row]] = {}
        self._ahead: dict[str, tuple[Run | None, Log]] = {}
        self._near: dict[str, Row | None] = {}
        self._at, self._way = 0, 1
        self._silent = 0
        self._ending = False
        self._machine: Machine | None = None
        self._machine_due = 0.0
        self._machine_watch: Callable[[], Machine] | None = None
        self._findings: FindingWatch | None = None

    # For the screen

    def start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        with self._news:
            self._ending = True
            self._news.notify()
            findings = self._findings
        if findings:
            findings.stop()

    def show(self, version: str) -> None:
        """Look at this version's run from now on."""
        with self._news:
            if version != self._version:
                self._version = version
                self._hurry = True
                self._news.notify()

    def hurry(self) -> None:
        """Look now: something was done that will show."""
        with self._news:
            self._hurry = self._all = True
            self._news.notify()

    def take(self) -> Look:
        """The newest look."""
        with self._news:
            self._taken = True
            return self._look

    def ahead(self, version: str) -> Look | None:
        """The newest look as of another version, where that was looked at ahead; its own follows."""
        with self._news:
            if version == self._look.shown or version not in self._ahead:
                return None
            run, log = self._ahead[version]
            return replace(self._look, shown=version, run=run, log=log)

    def machine(self) -> Machine | None:
        """The gauges as of the newest look, for who looks at nothing else."""
        with self._news:
            return self._look.machine

    # The thread

    def _run(self) -> None:
        from imgexp_tui.services.run_index import LabRuns

        if renaming(self._lab).exists():
            from imgexp_tui.runner.version_folders import finish

            finish(self._lab)
        runs = LabRuns(self._lab, self._kept)
        while self._goes_on():
            try:
                self._turn(runs)
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave a screen that lies
                self._tell(replace(self._look, trouble=f"Cannot look at the runs: {error}"))
                self._rests(STILL_PACE)

    def _turn(self, runs: LabRuns) -> None:
        """One look, and what there is to do until the next."""
        look, settled = self._next(runs)
        new = replace(look, machine=None) != replace(self._look, machine=None)
        self._silent = 0 if new else self._silent + 1
        self._tell(look)
        pace = _READING_PACE if runs.reading else LIVE_PACE if look.live else STILL_PACE
        if settled and pace > _DRAWN and self._rests(_DRAWN):
            self._watch_machine()
            self._prepare(runs, look)
            pace -= _DRAWN
        if settled and self._rests(pace) and look.live and self._silent > _SILENT:
            self._wait_for_a_sign(runs)

    def _wait_for_a_sign(self, runs: LabRuns) -> None:
        """Of a silent run look at the sizes of its files alone for a while; the gauges go on."""
        for turn in range(_SIGNS):
            if runs.stirs() or not self._rests(_SIGN_PACE):
                return
            if turn == 0:
                self._tell(replace(self._look, machine=self._gauges()))

    def _goes_on(self) -> bool:
        """Whether to look once more; who is in a hurry from now on interrupts that look."""
        with self._news:
            self._hurry = False
            return not self._ending

    def _rests(self, seconds: float) -> bool:
        """Whether nobody is in a hurry for so long."""
        with self._news:
            return not self._news.wait_for(lambda: self._hurry or self._ending, max(0.0, seconds))

    def _prepare(self, runs: LabRuns, look: Look) -> None:
        """Read the runs of the versions that the cursor comes to next, those in the way it went first."""
        names = list(look.notebook.versions) if look.notebook else []
        if look.shown not in names or runs.reading:
            return
        at = names.index(look.shown)
        self._way = self._way if at == self._at else 1 if at > self._at else -1
        self._at = at
        near = (at + self._way, at + 2 * self._way, at - self._way)
        rows = {names[i]: runs.rows.get(names[i]) for i in near if 0 <= i < len(names)}
        if rows == self._near:
            return  # a run that has happened to change would have changed its row
        ahead = {}
        for name in rows:
            if self._in_hurry():
                return
            if runs.prepare(name):
                ahead[name] = runs.shown(name), runs.log(name)
        with self._news:
            self._ahead = ahead
        self._near = rows

    def _in_hurry(self) -> bool:
        with self._news:
            return self._hurry or self._ending

    def _next(self, runs: LabRuns) -> tuple[Look, bool]:
        notebook, trouble = self._notebook()
        names = list(notebook.versions) if notebook else []
        version = self._version
        settled = self._look_at_runs(runs, names, version)
        if (news := runs.news()) and self._heard:
            self._heard(news, notebook.settings if notebook else {})
        written = runs.written(notebook)
        rows = self._dated(runs.rows, written)
        run = self._with_findings(runs.shown(version), notebook, reading=runs.reading)
        look = Look(
            notebook=notebook,
            trouble=trouble,
            rows=rows | {n: Row(written=written.get(n)) for n in names if n not in rows and settled},
            live=tuple(name for name, row in rows.items() if row.live),
            shown=version,
            run=run,
            log=runs.log(version) if run else Log(),
            machine=self._gauges() if settled else self._machine,
            drafts=runs.drafts(),
        )
        return look, settled

    def _look_at_runs(self, runs: LabRuns, names: list[str], version: str) -> bool:
        """Look at all versions at a steady pace; in between, where the cursor has moved, at the shown one alone."""
        now = time.monotonic()
        with self._news:
            every, self._all = self._all, False
        moved = version != self._look.shown
        if not every and (moved or now < self._all_due) and runs.look_at(version):
            return now < self._all_due  # else it is told, and then the others are looked at
        settled = runs.look(names, version, self._in_hurry, every=every)
        self._all_due = now + (LIVE_PACE if self._look.live else STILL_PACE) - 0.05 if settled else 0.0
        return settled

    def _dated(self, rows: Mapping[str, Row], written: Mapping[str, float]) -> dict[str, Row]:
        """The rows with when their notes were written; the same objects as before where nothing is new, so that a
        thousand of them compare at once."""
        dated = {}
        for name, row in rows.items():
            known = self._rows.get(name)
            if not known or known[0] is not row or known[1].written != written.get(name):
                known = row, replace(row, written=written.get(name))
            dated[name] = known
        self._rows = dated
        return {name: dated[name][1] for name in dated}

    def _notebook(self) -> tuple[Notebook | None, str]:
        """The notebook, read again only when the file has changed."""
        if stamp_of(self._lab) != self._read.stamp:
            self._read = opened(self._lab)
        return self._read.notebook, self._read.trouble

    def _with_findings(self, run: Run | None, notebook: Notebook | None, *, reading: bool) -> Run | None:
        if run is None or reading or self._look.run is None:  # curves come first
            return run
        from imgexp_tui.findings.evaluate import off_in
        from imgexp_tui.services.findings.worker import FindingWatch

        with self._news:
            if self._ending:
                return run
            if self._findings is None:
                self._findings = FindingWatch(self._lab, self.hurry)
        return replace(run, found=self._findings.found(run.version, run.run, off_in(notebook)))

    def _watch_machine(self) -> None:
        """Reach the gauges' libraries, which takes as long as to read the first curves: those come before."""
        if self._machine_watch is None:
            from imgexp_tui.services.machine import MachineWatch

            self._machine_watch = MachineWatch(self._lab).look
            # Loads are taken between two looks; the first would say 0 %, whatever the machine does.
            self._machine_due = time.monotonic() + _MACHINE_PACE

    def _gauges(self) -> Machine | None:
        now = time.monotonic()
        if self._machine_watch and now >= self._machine_due:
            self._machine_due = now + _MACHINE_PACE - 0.05
            self._machine = self._machine_watch()
        return self._machine

    def _tell(self, look: Look) -> None:
        with self._news:
            if look == self._look:
                return
            self._look = look
            tell, self._taken = self._taken, False
        if tell:
            self._told()
