"""What processes that were killed left lying in a run's folder: half-written files, claims, room set aside."""

from __future__ import annotations

import contextlib
import re

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir

ROOM = ".room"
_CLAIM = re.compile(r"\.?\.(?:attempt|stop)-(\d+)(?:\.\w+\.tmp)?")


def clear(run: RunDir, attempt: int) -> None:
    """Remove it, as the one process that may write in the folder now: whoever has the claim for `attempt`.

    Claims for later attempts are left alone: another process may be making one.
    """
    with contextlib.suppress(OSError):
        durable.tidy(run.path, (run.request.name, run.process.name, run.exit.name, ROOM))
        durable.tidy(run.checkpoints)
        (run.path / ROOM).unlink(missing_ok=True)
        for path in list(run.path.iterdir()):
            claim = _CLAIM.fullmatch(path.name)
            if claim and int(claim[1]) < attempt:
                path.unlink(missing_ok=True)
