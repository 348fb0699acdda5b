"""No process of a run stays behind: data loader workers, their children, whatever a script put in the background."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

from imgexp_tui.monitor.proc import descendants, environment, pids, stat
from imgexp_tui.records.process_identity import Identity, identity
from imgexp_tui.runner.signals import send

MARK = "IMGEXP_RUN_UUID"
"""The environment variable that every process of a run inherits."""

_STAGES = ((None, 0.5), (signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0))
"""What is sent, and how many seconds are given: most helpers end by themselves when their parent is gone."""
_PACE = 0.05


def sweep(find: Callable[[], Iterable[Identity]], *, gently: bool = True) -> list[Identity]:
    """End all processes that `find` finds, as long as it finds any; the ones that had to be told.

    Args:
        gently: wait and ask before killing.
    """
    told: dict[Identity, signal.Signals] = {}
    for signum, patience in _STAGES if gently else _STAGES[-1:]:
        deadline = time.monotonic() + patience
        while (left := list(find())) and time.monotonic() < deadline:
            for process in left:
                if signum is not None and told.get(process) != signum and send(process, signum):
                    told[process] = signum
            time.sleep(_PACE)
        if not left:
            break
    return list(told)


def below(pid: int) -> list[Identity]:
    """The living processes below `pid`."""
    return _living(descendants(pid))


def of_run(uuid: str, trainer: Identity | None) -> list[Identity]:
    """The living processes of a run that no supervisor holds together any more.

    Found by the mark in their environment and, for those that wiped it, by their place below the trainer or in its
    session.
    """
    mark = f"{MARK}={uuid}".encode()
    found = {pid for pid in pids() if mark in environment(pid)}
    if trainer and trainer.here:
        if trainer.alive():
            found |= {trainer.pid, *descendants(trainer.pid)}
        found |= _session(trainer)
    return _living(found - {os.getpid()})


def _session(trainer: Identity) -> set[int]:
    leader = stat(trainer.pid)
    if leader and leader.start_ticks != trainer.start_ticks:  # the number belongs to another process by now
        return set()
    members = (s for pid in pids() if (s := stat(pid)))
    return {s.pid for s in members if s.session == trainer.pid and s.start_ticks >= trainer.start_ticks}


def _living(found: Iterable[int]) -> list[Identity]:
    return [i for pid in found if (i := identity(pid)) and i.alive()]
