"""Reads processes from `/proc` (man 5 proc): their state, children, environment, memory and disk use.

psutil finds children by reading every process of the machine. Once a second, that costs more on a busy server than
the supervisor may use; the kernel's own lists of children cost a few reads.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.records.process_identity import stat_fields

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """A line of `/proc/PID/stat`.

    Attributes:
        cpu_seconds: seconds of user and system time so far.
        start_ticks: start of the process; together with the pid it identifies the process.
        rss: resident bytes.
    """

    pid: int
    zombie: bool
    parent_pid: int
    session: int
    cpu_seconds: float
    start_ticks: int
    rss: int


def read_stat(pid: int) -> ProcessStat | None:
    """Returns what the kernel reports of a process; None if it has ended."""
    f = stat_fields(pid)
    if f is None:
        return None
    return ProcessStat(
        pid=pid,
        zombie=f[0] in (b"Z", b"X"),
        parent_pid=int(f[1]),
        session=int(f[3]),
        cpu_seconds=(int(f[11]) + int(f[12])) / TICKS_PER_SECOND,
        start_ticks=int(f[19]),
        rss=int(f[21]) * PAGE_SIZE,
    )


def descendants(pid: int) -> list[int]:
    """Returns the pids of all processes below `pid`, parents before their children; zombies included."""
    children = _children if _kernel_lists_children() else _children_by_parent()
    pids: list[int] = []
    seen, todo = {pid}, [pid]
    while todo:
        for child in children(todo.pop(0)):
            if child not in seen:
                seen.add(child)
                pids.append(child)
                todo.append(child)
    return pids


def list_pids() -> list[int]:
    """Returns the pids that this process may see."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def read_environment(pid: int) -> list[bytes]:
    """Returns `NAME=value` of a process's environment as it was at its start; [] if it may not be read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def read_pss(pid: int) -> int | None:
    """Returns a process's bytes of memory, shared pages divided among their users; None if the kernel reports none.

    The kernel walks all page tables for it, which takes milliseconds for a large process. Call it rarely.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def process_disk_bytes(pid: int) -> tuple[int, int] | None:
    """Returns the bytes that a process has read from disks and written to them; None if the kernel reports none."""
    try:
        counters = dict(line.split(b": ") for line in Path(f"/proc/{pid}/io").read_bytes().splitlines())
        return int(counters[b"read_bytes"]), int(counters[b"write_bytes"])
    except (OSError, ValueError, KeyError):
        return None


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (thread / "children").read_bytes().split())
    except OSError:  # it ended while it was read
        return pids
    return pids


@functools.cache
def _kernel_lists_children() -> bool:
    """Returns whether the kernel lists children; it may be built without CONFIG_PROC_CHILDREN."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _children_by_parent() -> functools.partial[list[int]]:
    by_parent: dict[int, list[int]] = {}
    for pid in list_pids():
        if stat := read_stat(pid):
            by_parent.setdefault(stat.parent_pid, []).append(pid)
    return functools.partial(_lookup_children, by_parent)


def _lookup_children(by_parent: dict[int, list[int]], pid: int) -> list[int]:
    return by_parent.get(pid, [])
