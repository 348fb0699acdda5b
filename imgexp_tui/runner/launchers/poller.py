"""Polls the launchers for the state of jobs, in a thread, and so updates the job files in the runs' folders.

The thread polls at most every `POLL_INTERVAL` seconds, and only if a run was submitted as a job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from imgexp_tui.notebook.schema.launchers import LAUNCHERS
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers import find_launcher
from imgexp_tui.runner.launchers.base import job_folder

POLL_INTERVAL = 5.0
"""Seconds between two questions to the controllers."""
ANSWER_TIMEOUT = 3.0
"""Seconds that a command may wait for the answer before it prints what it knows."""


class JobPoller:
    """Asks the launchers about the runs that they carry as jobs. Each place that polls repeatedly has one."""

    def __init__(self) -> None:
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def poll(self, runs: Iterable[RunDir], timeout: float = 0.0) -> None:
        """Starts a poll of the launchers about the live jobs among `runs`, if one is due.

        Args:
            timeout: seconds to wait for the answers.
        """
        if self._thread is None or not self._thread.is_alive():
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + POLL_INTERVAL
            runs = list(runs)
            by_launcher = {
                name: ours
                for name, schema in LAUNCHERS.items()
                if schema.has_jobs and (ours := [run for run in runs if job_folder(run, name).is_dir()])
            }
            if not by_launcher:
                return
            self._thread = threading.Thread(target=_poll_launchers, args=(by_launcher,), name="jobs", daemon=True)
            self._thread.start()
        if timeout:
            self._thread.join(timeout)


def _poll_launchers(by_launcher: dict[str, list[RunDir]]) -> None:
    for name, runs in by_launcher.items():
        find_launcher(name).poll(runs)
