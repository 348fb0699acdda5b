"""Watches a lab from a thread: the notebook, its runs, the displayed run's log, the machine.

The thread reads, and notifies the screen when there is something new. The screen takes the latest snapshot when it gets
to it, so that snapshots never pile up behind a slow terminal. What has not changed is not read or reported again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgexp_tui.app_log import log_error
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.paths import rename_mark
from imgexp_tui.services.notebook_reader import LoadedNotebook, notebook_stamp, read_notebook
from imgexp_tui.views.lab import LabSnapshot, LogLines, VersionRow

if TYPE_CHECKING:
    from imgexp_tui.records.alerts import Alert
    from imgexp_tui.services.findings.worker import FindingWorker
    from imgexp_tui.services.row_cache import RowCache
    from imgexp_tui.services.run_index import RunIndex
    from imgexp_tui.views.machine.model import Machine
    from imgexp_tui.views.runs.model import RunSummary

LIVE_INTERVAL = 0.75
"""Seconds between two polls while a run is live."""
IDLE_INTERVAL = 1.9
"""Seconds between two polls otherwise: a gauge's history, of two seconds a column, must not have gaps."""
_MAX_UNCHANGED_POLLS = 4
"""Polls that find nothing new of a live run, after which the next poll waits for its files to change, up to a limit."""
_STAMP_CHECKS, _STAMP_INTERVAL = 3, 0.8
_READING_INTERVAL = 0.03
"""Seconds between two polls while another process reads a long record, which is displayed as soon as it is read."""
_MACHINE_INTERVAL = 1.0
_DRAW_SECONDS = 0.08
"""Seconds that the screen needs to draw an update: until then the thread leaves the interpreter to it."""


class LabWatcher:
    """Watches one lab until it is stopped.

    Args:
        loaded: the notebook as it was read already.
        on_update: called from the thread when `latest` has something new; not again before `latest` was called.
        on_alerts: called from the thread with what has happened to runs, and with `[lab]`.
        row_cache: rows that were read earlier; the thread's own from now on.
    """

    def __init__(
        self,
        lab: Path,
        loaded: LoadedNotebook,
        on_update: Callable[[], object],
        on_alerts: Callable[[list[Alert], Mapping[str, Any]], object] | None = None,
        row_cache: RowCache | None = None,
    ) -> None:
        self._row_cache = row_cache
        self._lab = lab
        self._on_alerts = on_alerts
        self._on_update = on_update
        self._snapshot = LabSnapshot(loaded.notebook, loaded.problem)
        self._loaded = loaded
        self._is_taken = True
        self._displayed_version = ""
        self._condition = threading.Condition()
        self._refresh_requested = True
        self._full_poll_requested = True
        self._next_full_poll = 0.0
        self._dated_rows: dict[str, tuple[VersionRow, VersionRow]] = {}
        self._prefetched: dict[str, tuple[RunSummary | None, LogLines]] = {}
        self._prefetched_rows: dict[str, VersionRow | None] = {}
        self._cursor_index, self._cursor_direction = 0, 1
        self._unchanged_polls = 0
        self._is_stopping = False
        self._machine: Machine | None = None
        self._next_machine_sample = 0.0
        self._sample_machine: Callable[[], Machine] | None = None
        self._findings: FindingWorker | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
            findings = self._findings
        if findings:
            findings.stop()

    def select_version(self, version: str) -> None:
        """Read this version's run from now on."""
        with self._condition:
            if version != self._displayed_version:
                self._displayed_version = version
                self._refresh_requested = True
                self._condition.notify()

    def refresh_now(self) -> None:
        """Poll now: something was done that changes what is displayed."""
        with self._condition:
            self._refresh_requested = self._full_poll_requested = True
            self._condition.notify()

    def latest(self) -> LabSnapshot:
        """The latest snapshot."""
        with self._condition:
            self._is_taken = True
            return self._snapshot

    def prefetched(self, version: str) -> LabSnapshot | None:
        """The latest snapshot with another version displayed, where that was read ahead; None otherwise."""
        with self._condition:
            if version == self._snapshot.displayed_version or version not in self._prefetched:
                return None
            run, log = self._prefetched[version]
            return replace(self._snapshot, displayed_version=version, run=run, log=log)

    def machine(self) -> Machine | None:
        """The gauges of the latest snapshot, without marking it as taken."""
        with self._condition:
            return self._snapshot.machine

    def _run(self) -> None:
        from imgexp_tui.services.run_index import RunIndex

        if rename_mark(self._lab).exists():
            from imgexp_tui.runner.version_folders import finish_rename

            finish_rename(self._lab)
        runs = RunIndex(self._lab, self._row_cache)
        while self._should_continue():
            try:
                self._poll_cycle(runs)
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave a screen that lies
                log_error(f"polling the lab {self._lab} failed", error)
                self._publish(replace(self._snapshot, problem=f"Cannot look at the runs: {error}"))
                self._wait_undisturbed(IDLE_INTERVAL)

    def _poll_cycle(self, runs: RunIndex) -> None:
        """Poll once, and wait until it is time for the next poll."""
        snapshot, settled = self._poll(runs)
        new = replace(snapshot, machine=None) != replace(self._snapshot, machine=None)
        self._unchanged_polls = 0 if new else self._unchanged_polls + 1
        self._publish(snapshot)
        pace = _READING_INTERVAL if runs.is_reading else LIVE_INTERVAL if snapshot.live_versions else IDLE_INTERVAL
        if settled and pace > _DRAW_SECONDS and self._wait_undisturbed(_DRAW_SECONDS):
            self._start_machine_sampler()
            self._prefetch(runs, snapshot)
            pace -= _DRAW_SECONDS
        if (
            settled
            and self._wait_undisturbed(pace)
            and snapshot.live_versions
            and self._unchanged_polls > _MAX_UNCHANGED_POLLS
        ):
            self._wait_for_output(runs)

    def _wait_for_output(self, runs: RunIndex) -> None:
        """Check only the sizes of a silent run's files for a while; the gauges go on."""
        for turn in range(_STAMP_CHECKS):
            if runs.has_new_output() or not self._wait_undisturbed(_STAMP_INTERVAL):
                return
            if turn == 0:
                self._publish(replace(self._snapshot, machine=self._current_machine()))

    def _should_continue(self) -> bool:
        """Whether to poll once more. A refresh requested from now on interrupts that poll."""
        with self._condition:
            self._refresh_requested = False
            return not self._is_stopping

    def _wait_undisturbed(self, seconds: float) -> bool:
        """Wait; False as soon as a refresh is requested."""
        with self._condition:
            return not self._condition.wait_for(lambda: self._refresh_requested or self._is_stopping, max(0.0, seconds))

    def _prefetch(self, runs: RunIndex, snapshot: LabSnapshot) -> None:
        """Read the runs of the versions that the cursor may reach next, in its direction first."""
        names = list(snapshot.notebook.versions) if snapshot.notebook else []
        if snapshot.displayed_version not in names or runs.is_reading:
            return
        at = names.index(snapshot.displayed_version)
        self._cursor_direction = (
            self._cursor_direction if at == self._cursor_index else 1 if at > self._cursor_index else -1
        )
        self._cursor_index = at
        near = (at + self._cursor_direction, at + 2 * self._cursor_direction, at - self._cursor_direction)
        rows = {names[i]: runs.rows.get(names[i]) for i in near if 0 <= i < len(names)}
        if rows == self._prefetched_rows:
            return  # no run has changed: it would have changed its row
        ahead = {}
        for name in rows:
            if self._is_interrupted():
                return
            if runs.prefetch(name):
                ahead[name] = runs.displayed_run(name), runs.log(name)
        with self._condition:
            self._prefetched = ahead
        self._prefetched_rows = rows

    def _is_interrupted(self) -> bool:
        with self._condition:
            return self._refresh_requested or self._is_stopping

    def _poll(self, runs: RunIndex) -> tuple[LabSnapshot, bool]:
        notebook, problem = self._current_notebook()
        names = list(notebook.versions) if notebook else []
        runs.set_notebook(notebook)
        version = self._displayed_version
        settled = self._poll_runs(runs, names, version)
        if (alerts := runs.take_alerts()) and self._on_alerts:
            self._on_alerts(alerts, notebook.lab_settings if notebook else {})
        written = runs.note_times(notebook)
        rows = self._with_note_times(runs.rows, written)
        run = self._with_findings(runs.displayed_run(version), notebook, reading=runs.is_reading)
        snapshot = LabSnapshot(
            notebook=notebook,
            problem=problem,
            rows=rows | {n: VersionRow(notes_changed=written.get(n)) for n in names if n not in rows and settled},
            live_versions=tuple(name for name, row in rows.items() if row.live),
            displayed_version=version,
            run=run,
            log=runs.log(version) if run else LogLines(),
            machine=self._current_machine() if settled else self._machine,
            drafts=runs.versions_with_drafts(),
        )
        return snapshot, settled

    def _poll_runs(self, runs: RunIndex, names: list[str], version: str) -> bool:
        """Poll all versions at a steady rate; in between, where the cursor has moved, the displayed one alone."""
        now = time.monotonic()
        with self._condition:
            every, self._full_poll_requested = self._full_poll_requested, False
        moved = version != self._snapshot.displayed_version
        if not every and (moved or now < self._next_full_poll) and runs.poll_version(version):
            return now < self._next_full_poll  # otherwise it is published, and then the others are polled
        settled = runs.poll(names, version, self._is_interrupted, all_versions=every)
        self._next_full_poll = (
            now + (LIVE_INTERVAL if self._snapshot.live_versions else IDLE_INTERVAL) - 0.05 if settled else 0.0
        )
        return settled

    def _with_note_times(
        self, rows: Mapping[str, VersionRow], note_times: Mapping[str, float]
    ) -> dict[str, VersionRow]:
        """The rows with the times of their notes. Unchanged rows are the same objects as before, so that a thousand of
        them are compared at once."""
        dated = {}
        for name, row in rows.items():
            known = self._dated_rows.get(name)
            if not known or known[0] is not row or known[1].notes_changed != note_times.get(name):
                known = row, replace(row, notes_changed=note_times.get(name))
            dated[name] = known
        self._dated_rows = dated
        return {name: dated[name][1] for name in dated}

    def _current_notebook(self) -> tuple[Notebook | None, str]:
        """The notebook, read again only when the file has changed."""
        if notebook_stamp(self._lab) != self._loaded.stamp:
            self._loaded = read_notebook(self._lab)
        return self._loaded.notebook, self._loaded.problem

    def _with_findings(self, run: RunSummary | None, notebook: Notebook | None, *, reading: bool) -> RunSummary | None:
        if run is None or reading or self._snapshot.run is None:  # curves come first
            return run
        from imgexp_tui.findings.evaluate import disabled_rules_of
        from imgexp_tui.services.findings.worker import FindingWorker

        with self._condition:
            if self._is_stopping:
                return run
            if self._findings is None:
                self._findings = FindingWorker(self._lab, self.refresh_now)
        return replace(run, findings=self._findings.findings_for(run.version, run.run, disabled_rules_of(notebook)))

    def _start_machine_sampler(self) -> None:
        """Import the libraries of the gauges. It takes as long as reading the first curves, which come first."""
        if self._sample_machine is None:
            from imgexp_tui.services.machine import MachineSampler

            self._sample_machine = MachineSampler(self._lab).sample
            # Loads are measured between two samples; the first would say 0 % whatever the machine does.
            self._next_machine_sample = time.monotonic() + _MACHINE_INTERVAL

    def _current_machine(self) -> Machine | None:
        now = time.monotonic()
        if self._sample_machine and now >= self._next_machine_sample:
            self._next_machine_sample = now + _MACHINE_INTERVAL - 0.05
            self._machine = self._sample_machine()
        return self._machine

    def _publish(self, snapshot: LabSnapshot) -> None:
        with self._condition:
            if snapshot == self._snapshot:
                return
            self._snapshot = snapshot
            notify, self._is_taken = self._is_taken, False
        if notify:
            self._on_update()
