"""Claims an attempt of a run for a supervisor: the request, and a number that no other supervisor has."""

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
    """Returns the identity of this process.

    Raises:
        StartRefused: /proc does not show it.
    """
    me = identity_of(os.getpid())
    if me is None:
        raise StartRefused("/proc does not show this process; imgexp-tui needs a mounted /proc")
    return me


def read_request(run: RunDir) -> Request:
    """Returns the run's request.

    Raises:
        StartRefused: it cannot be read.
    """
    request = Request.read(run)
    if request is None:
        raise StartRefused(f"{run.request} is missing or damaged")
    return request


def claim_attempt(run: RunDir, request: Request, supervisor: ProcessIdentity) -> int:
    """Claims the number of this attempt on this machine: whoever creates its file first has it.

    Raises:
        StartRefused: the run is under way, or about to be.
        OSError: the file cannot be written.
    """
    former = Process.read(run)
    for attempt in count(former.attempt + 1 if former else 1):
        lock = run.path / f".attempt-{attempt}"
        try:
            if acquire_lock(lock, supervisor):
                break
        except LockHeld:
            raise StartRefused("the run is being started already") from None
    now = Process.read(run)  # another supervisor may have claimed, run and ended since `former` was read
    if now and (now.attempt >= attempt or status.status(run, request).state.live):
        lock.unlink()
        raise StartRefused("the run is under way already")
    return attempt


def claim_attempt_in_job(run: RunDir, supervisor: ProcessIdentity) -> int:
    """Claims the number of this attempt in a cluster's job.

    The attempt for which the job was submitted is this one; when the cluster starts the job again, it is the next. A
    job exists once, so a number that another machine claimed belongs to a supervisor that has ended.

    Raises:
        StartRefused: the run is under way.
        OSError: the file cannot be written.
    """
    previous = Process.read(run)
    if previous and any(one and one.is_alive() for one in (previous.supervisor, previous.trainer)):
        raise StartRefused("the run is under way already")
    first = previous is None or previous.supervisor is None
    for attempt in count((previous.attempt if previous else 1) + (0 if first else 1)):
        with contextlib.suppress(LockHeld):
            if acquire_lock(run.path / f".attempt-{attempt}", supervisor):
                return attempt
    raise AssertionError
