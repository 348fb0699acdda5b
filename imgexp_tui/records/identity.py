"""Which process is meant: a pid alone may be reused, a pid with its start time and boot id may not."""

from __future__ import annotations

import functools
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for as long as the machine lives.

    Attributes:
        pid: process id.
        start_ticks: field 22 of `/proc/PID/stat`: clock ticks between boot and the process's start.
        boot_id: `/proc/sys/kernel/random/boot_id`.
        host: host name; on another host nothing can be said about the process.
    """

    pid: int
    start_ticks: int
    boot_id: str
    host: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Identity | None:
        try:
            return cls(int(data["pid"]), int(data["start_ticks"]), str(data["boot_id"]), str(data["host"]))
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def here(self) -> bool:
        return self.host == host()

    def alive(self) -> bool:
        """Whether this very process runs on this machine; a zombie does not run."""
        if self.boot_id != boot_id():
            return False
        found = _stat(self.pid)
        return found is not None and found[1] == self.start_ticks and found[0] not in "ZX"


@functools.cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@functools.cache
def host() -> str:
    return socket.gethostname()


def identity(pid: int) -> Identity | None:
    """The identity of a process of this machine; None where it has ended."""
    found = _stat(pid)
    return Identity(pid, found[1], boot_id(), host()) if found else None


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start ticks, from `/proc/PID/stat` (man 5 proc)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name stands in parentheses and may itself hold blanks and parentheses.
    fields = text[text.rfind(b")") + 2 :].split()
    return fields[0].decode(), int(fields[19])
