"""What processes that were killed left lying in a run's folder: half-written files, claims, room set aside."""

from __future__ import annotations

import contextlib
import re

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir

RESERVED_FILE = ".room"
_LOCK_FILE_NAME = re.compile(r"\.?\.(?:attempt|stop)-(\d+)(?:\.\w+\.tmp)?")


def remove_leftovers(run: RunDir, attempt: int) -> None:
    """Remove it, as the one process that may write in the folder now: whoever has the claim for `attempt`.

    Claims for later attempts are left alone: another process may be making one.
    """
    with contextlib.suppress(OSError):
        durable.remove_temporary_files(run.path, (run.request.name, run.process.name, run.exit.name, RESERVED_FILE))
        durable.remove_temporary_files(run.checkpoints)
        (run.path / RESERVED_FILE).unlink(missing_ok=True)
        for path in list(run.path.iterdir()):
            claim = _LOCK_FILE_NAME.fullmatch(path.name)
            if claim and int(claim[1]) < attempt:
                path.unlink(missing_ok=True)
