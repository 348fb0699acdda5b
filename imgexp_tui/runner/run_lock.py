"""One process at a time does a thing to a run: whoever creates the file first. Works on network file systems."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.records.process_identity import Identity


class Taken(Exception):
    """A living process, or one of another machine, holds the claim."""


def take(claim: Path, me: Identity) -> bool:
    """Whether the claim is ours now; False where its holder died over it.

    Raises:
        Taken: a living process holds it.
        OSError: the file cannot be written.
    """
    try:
        durable.create(claim, f"{me.pid} {me.start_ticks} {me.boot_id} {me.host}".encode())
    except FileExistsError:
        holder = _holder(claim)
        if holder and (holder.alive() or not holder.here):
            raise Taken from None
        return False
    return True


def _holder(claim: Path) -> Identity | None:
    try:
        pid, ticks, boot, host = claim.read_text().split(maxsplit=3)
        return Identity(int(pid), int(ticks), boot, host)
    except (OSError, ValueError):
        return None
