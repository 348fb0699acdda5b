"""Identifies a process beyond the reuse of its pid, by its start time and the boot id."""

from __future__ import annotations

import functools
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, unique on its machine across reboots.

    Attributes:
        pid: process id.
        start_ticks: field 22 of `/proc/PID/stat`: clock ticks between boot and the process's start.
        boot_id: `/proc/sys/kernel/random/boot_id`.
        host: host name; from another host the process cannot be checked.
    """

    pid: int
    start_ticks: int
    boot_id: str
    host: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> ProcessIdentity | None:
        try:
            return cls(int(data["pid"]), int(data["start_ticks"]), str(data["boot_id"]), str(data["host"]))
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def is_on_this_host(self) -> bool:
        return self.host == host()

    def is_alive(self) -> bool:
        """Whether exactly this process runs on this machine; a zombie does not run."""
        if self.boot_id != boot_id():
            return False
        fields = stat_fields(self.pid)
        return fields is not None and int(fields[19]) == self.start_ticks and fields[0] not in (b"Z", b"X")


@functools.cache
def boot_id() -> str:
    """A text that changes with each boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@functools.cache
def host() -> str:
    return socket.gethostname()


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of a process of this machine; None if it has ended."""
    fields = stat_fields(pid)
    return ProcessIdentity(pid, int(fields[19]), boot_id(), host()) if fields else None


def stat_fields(pid: int) -> list[bytes] | None:
    """`/proc/PID/stat` from the third field on (man 5 proc): state, parent, …; None if there is no such process."""
    try:
        # Unbuffered, because this is read often: every process of a run, every second.
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return None
    # The command's name is in parentheses and may itself contain spaces and parentheses.
    fields = text[text.rfind(b")") + 2 :].split()
    return fields if len(fields) > 21 else None
