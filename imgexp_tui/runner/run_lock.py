"""Locks a run for one process at a time, by creating a file. Works on network file systems."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.records.process_identity import ProcessIdentity


class LockHeld(Exception):
    """A living process, or one of another machine, holds the lock."""


def acquire_lock(lock: Path, owner: ProcessIdentity) -> bool:
    """Creates the lock file and returns True; returns False if a dead process left it behind.

    Raises:
        LockHeld: a living process, or one of another machine, holds it.
        OSError: the file cannot be written.
    """
    try:
        durable.create(lock, f"{owner.pid} {owner.start_ticks} {owner.boot_id} {owner.host}".encode())
    except FileExistsError:
        holder = _read_holder(lock)
        if holder and (holder.is_alive() or not holder.is_on_this_host):
            raise LockHeld from None
        return False
    return True


def _read_holder(lock: Path) -> ProcessIdentity | None:
    try:
        pid, ticks, boot, host = lock.read_text().split(maxsplit=3)
        return ProcessIdentity(int(pid), int(ticks), boot, host)
    except (OSError, ValueError):
        return None
