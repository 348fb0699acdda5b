"""Finds and ends the leftover processes of a run: data loader workers, their children, background jobs of scripts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

from imgexp_tui.monitor.proc import descendants, list_pids, read_environment, read_stat
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.runner.signals import send_signals

RUN_UUID_VARIABLE = "IMGEXP_RUN_UUID"
"""The environment variable that every process of a run inherits."""

_STAGES = ((None, 0.5), (signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0))
"""What is sent, and how many seconds are given: most helpers end by themselves when their parent is gone."""
_POLL_INTERVAL = 0.05


def end_processes(
    find_processes: Callable[[], Iterable[ProcessIdentity]], *, graceful: bool = True
) -> list[ProcessIdentity]:
    """Ends all processes that `find_processes` returns, until it returns none; returns those that were sent a signal.

    Args:
        graceful: wait and ask before killing.
    """
    signalled: dict[ProcessIdentity, signal.Signals] = {}
    for signum, seconds in _STAGES if graceful else _STAGES[-1:]:
        deadline = time.monotonic() + seconds
        while (left := list(find_processes())) and time.monotonic() < deadline:
            for process in left:
                if signum is not None and signalled.get(process) != signum and send_signals(process, signum):
                    signalled[process] = signum
            time.sleep(_POLL_INTERVAL)
        if not left:
            break
    return list(signalled)


def living_descendants(pid: int) -> list[ProcessIdentity]:
    """The living processes below `pid`."""
    return _living_identities(descendants(pid))


def processes_of_run(uuid: str, trainer: ProcessIdentity | None) -> list[ProcessIdentity]:
    """The living processes of a run that no supervisor holds together any more.

    Found by the mark in their environment and, for those that wiped it, by their place below the trainer or in its
    session.
    """
    mark = f"{RUN_UUID_VARIABLE}={uuid}".encode()
    pids = {pid for pid in list_pids() if mark in read_environment(pid)}
    if trainer and trainer.is_on_this_host:
        if trainer.is_alive():
            pids |= {trainer.pid, *descendants(trainer.pid)}
        pids |= _session_pids(trainer)
    return _living_identities(pids - {os.getpid()})


def _session_pids(trainer: ProcessIdentity) -> set[int]:
    leader = read_stat(trainer.pid)
    if leader and leader.start_ticks != trainer.start_ticks:  # the number belongs to another process by now
        return set()
    members = (s for pid in list_pids() if (s := read_stat(pid)))
    return {s.pid for s in members if s.session == trainer.pid and s.start_ticks >= trainer.start_ticks}


def _living_identities(candidates: Iterable[int]) -> list[ProcessIdentity]:
    return [i for pid in candidates if (i := identity_of(pid)) and i.is_alive()]
