"""Removes what killed processes left in a run's folder: half-written files, locks, the reserved file."""

from __future__ import annotations

import contextlib
import re

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir

RESERVED_FILE = ".room"
_LOCK_FILE_NAME = re.compile(r"\.?\.(?:attempt|stop)-(\d+)(?:\.\w+\.tmp)?")


def remove_leftovers(run: RunDir, attempt: int) -> None:
    """Removes leftovers; only the process that holds the lock for `attempt` may call this.

    Locks of later attempts stay: another process may be creating one.
    """
    with contextlib.suppress(OSError):
        durable.remove_temporary_files(run.path, (run.request.name, run.process.name, run.exit.name, RESERVED_FILE))
        durable.remove_temporary_files(run.checkpoints)
        (run.path / RESERVED_FILE).unlink(missing_ok=True)
        for path in list(run.path.iterdir()):
            lock = _LOCK_FILE_NAME.fullmatch(path.name)
            if lock and int(lock[1]) < attempt:
                path.unlink(missing_ok=True)
