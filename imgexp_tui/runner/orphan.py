"""Ends a run whose supervisor is gone, in the supervisor's place.

It is a process of its own, so that it keeps the grace period and records the end even if the app or the command that
started it is closed meanwhile.

    python -m imgexp_tui.runner.orphan RUN_DIR
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.base import STARTED
from imgexp_tui.runner.run_lock import LockHeld, acquire_lock
from imgexp_tui.runner.signals import send_signals
from imgexp_tui.runner.supervisor.cleanup import remove_leftovers
from imgexp_tui.runner.supervisor.process_cleanup import end_processes, processes_of_run
from imgexp_tui.text import format_duration

_POLL_INTERVAL = 0.1


def end_run(run: RunDir, request: Request, attempt: int, trainer: ProcessIdentity) -> None:
    """Sends SIGTERM to the trainer, waits for the grace period, kills what is left of the run, and writes `exit.json`.

    Raises:
        OSError: the end cannot be written.
    """
    with contextlib.suppress(OSError):
        events.append_event(run, "stopping", f"asked to stop; {request.grace:g} s to do so", grace=request.grace)
    send_signals(trainer, signal.SIGTERM, signal.SIGCONT)
    in_time = _wait_for_end(trainer, request.grace)
    end_processes(lambda: processes_of_run(request.uuid, trainer), graceful=in_time)
    how = "it ended" if in_time else f"it had not ended within {format_duration(request.grace)} and was killed"
    detail = f"as asked; {how}; its supervisor was gone, so that its exit code is not known"
    with contextlib.suppress(OSError):
        events.append_event(run, "ended", f"stopped: {detail}", cause="stopped")
    code, by = None, None if in_time else "SIGKILL"
    remove_leftovers(run, attempt + 1)
    Exit(request.uuid, attempt, code, by, "stopped", detail, time.time()).write(run)


def _wait_for_end(process: ProcessIdentity, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while process.is_alive():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_INTERVAL)
    return True


def main() -> int:
    """Ends the run whose folder is the only argument."""
    if os.fork():
        os._exit(0)
    for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):  # a second request changes nothing
        signal.signal(signum, signal.SIG_IGN)
    run = RunDir(Path(sys.argv[1]).absolute())
    request, process, me = Request.read(run), Process.read(run), identity_of(os.getpid())
    has_lock = process and me and _acquire_stop_lock(run, process.attempt, me)
    if process and has_lock:
        # This process replaces the supervisor, so that the run does not count as lost until its end is written.
        replace(process, supervisor=me).write(run)
    os.write(1, STARTED.encode())
    os.dup2(2, 1)
    if request and process and process.trainer and has_lock:
        end_run(run, request, process.attempt, process.trainer)
    return 0


def _acquire_stop_lock(run: RunDir, attempt: int, owner: ProcessIdentity) -> bool:
    """Returns False if another process does this already: a second SIGTERM could interrupt the checkpoint."""
    lock = run.path / f".stop-{attempt}"
    try:
        if not acquire_lock(lock, owner):  # a dead process left it
            lock.unlink()
            return acquire_lock(lock, owner)
    except LockHeld:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
