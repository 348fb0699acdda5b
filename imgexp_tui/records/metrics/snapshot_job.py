"""Starts the process that writes a run's snapshot, and opens the snapshot when it is done. Standard library only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile

from imgexp_tui.records.metrics.snapshot import Snapshot, SnapshotDamaged, has_prefix, open_snapshot
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir

_EXIT_FALLBACK = 3
"""Exit code of `snapshot_writer` where the run's folder took no snapshot, so that it is in the file passed along."""


class SnapshotJob:
    """One process that writes a snapshot. It blocks nothing: call `poll` from time to time.

    Args:
        low_priority: nobody waits for it, so that it runs after everything else on the machine, such as training.

    Attributes:
        failed: the process has ended without a snapshot.
    """

    def __init__(self, run: RunDir, *, low_priority: bool = False) -> None:
        self._run = run
        self.failed = False
        # Without these variables NumPy starts a pool of threads that nothing here uses.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._fd = anonymous_file()
        words = [os.fspath(run.path.absolute()), str(self._fd), "10" if low_priority else "0"]
        argv = [sys.executable, "-m", "imgexp_tui.records.metrics.snapshot_writer", *words]
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=(self._fd,), start_new_session=True,
            )  # fmt: skip
        except OSError:
            self._clean_up()

    def poll(self) -> Snapshot | None:
        """The snapshot, once; None before it is there and where it `failed`."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        self._process = None
        snapshot = open_snapshot(self._run.cache, open_source(self._run)) if code == 0 else None
        if code == _EXIT_FALLBACK:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(SnapshotDamaged, OSError):
                snapshot = Snapshot(fd)
            if snapshot and not has_prefix(open_source(self._run), snapshot.prefix):
                snapshot = None
        self._clean_up()
        self.failed = snapshot is None
        return snapshot

    def _clean_up(self) -> None:
        self.failed = self._process is None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def anonymous_file() -> int:
    """A nameless file in memory, or on the disk where the system has no files in memory.

    Raises:
        OSError: there is no room for it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("curves", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
