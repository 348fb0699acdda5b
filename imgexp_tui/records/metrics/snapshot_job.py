"""Has a run's snapshot made by another process, and takes it when it is there. Standard library only."""

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
"""Exit code of `build` where the run's folder took no snapshot, so that it is in the file that was lent."""


class SnapshotJob:
    """One building of a snapshot. Nothing is held up by it: ask `poll` from time to time.

    Args:
        low_priority: nobody waits for it, so that it gives way to whatever else the machine does, such as training.

    Attributes:
        failed: no snapshot came of it.
    """

    def __init__(self, run: RunDir, *, low_priority: bool = False) -> None:
        self._run = run
        self.failed = False
        # The variable spares NumPy a pool of threads that nothing here uses.
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
        """The snapshot, once; None before it is there, and where it `failed`."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        self._process = None
        found = open_snapshot(self._run.cache, open_source(self._run)) if code == 0 else None
        if code == _EXIT_FALLBACK:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(SnapshotDamaged, OSError):
                found = Snapshot(fd)
            if found and not has_prefix(open_source(self._run), found.prefix):
                found = None
        self._clean_up()
        self.failed = found is None
        return found

    def _clean_up(self) -> None:
        self.failed = self._process is None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def anonymous_file() -> int:
    """A file in memory, where the system has such, and one on the disk elsewhere.

    Raises:
        OSError: there is no room for it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("curves", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
