"""Which attempt of a run a supervisor carries: what was asked, and a number that no other supervisor has."""

from __future__ import annotations

import contextlib
import os
from itertools import count

from imgexp_tui.records import status
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.run_lock import LockHeld, acquire_lock


class StartRefused(Exception):
    """One sentence that says why the run is not started."""


def own_identity() -> ProcessIdentity:
    """This process.

    Raises:
        Refused: nothing tells of it.
    """
    me = identity_of(os.getpid())
    if me is None:
        raise StartRefused("/proc does not show this process; imgexp-tui needs a mounted /proc")
    return me


def read_request(run: RunDir, *, in_job: bool) -> Request:
    """What was asked.

    Raises:
        Refused: it cannot be read, or it is for another launcher to start.
    """
    request = Request.read(run)
    if request is None:
        raise StartRefused(f"{run.request} is missing or damaged")
    if (request.launcher == "slurm") != in_job:
        raise StartRefused(f"the run's launcher is {request.launcher}; start it by: imgexp-tui resume")
    return request


def claim_attempt(run: RunDir, request: Request, supervisor: ProcessIdentity, *, in_job: bool) -> int:
    """The number of this attempt, which no other supervisor has: whoever creates its file first.

    Raises:
        Refused: the run is under way, or about to be.
        OSError: the file cannot be written.
    """
    former = Process.read(run)
    if in_job:
        return _claim_in_job(run, former, supervisor)
    for attempt in count(former.attempt + 1 if former else 1):
        mine = run.path / f".attempt-{attempt}"
        try:
            if acquire_lock(mine, supervisor):
                break
        except LockHeld:
            raise StartRefused("the run is being started already") from None
    now = Process.read(run)  # another may have claimed, run and ended since the first look
    if now and (now.attempt >= attempt or status.status(run, request).state.live):
        mine.unlink()
        raise StartRefused("the run is under way already")
    return attempt


def _claim_in_job(run: RunDir, previous: Process | None, supervisor: ProcessIdentity) -> int:
    """A job is there once, so that a number that another machine claimed was claimed by one that has ended.

    The attempt for which the job was submitted is this one; when Slurm starts the job again, it is the next.
    """
    if previous and any(one and one.is_alive() for one in (previous.supervisor, previous.trainer)):
        raise StartRefused("the run is under way already")
    first = previous is None or previous.supervisor is None
    for attempt in count((previous.attempt if previous else 1) + (0 if first else 1)):
        with contextlib.suppress(LockHeld):
            if acquire_lock(run.path / f".attempt-{attempt}", supervisor):
                return attempt
    raise AssertionError
