"""Detects out-of-memory kills by comparing the kernel's counters before and after.

`oom_kill` counts the processes of a memory control group that any out-of-memory killer ended (the kernel's
admin-guide/cgroup-v2.rst; the same counter stands in version 1's `memory.oom_control`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class OomKillCounter:
    """A counter of kills and the value that it had at first."""

    path: Path
    is_machine_wide: bool
    initial: int

    def describe_kills(self) -> str | None:
        """A clause that says how many processes were killed since; None where none was."""
        killed = (_read_oom_kills(self.path) or 0) - self.initial
        if killed < 1:
            return None
        what = "a process" if killed == 1 else f"{killed} processes"
        return f"out of memory: the kernel killed {what}" + (" of this machine" if self.is_machine_wide else "")


def read_oom_counter() -> OomKillCounter | None:
    """The counter of this process's control group, else of the machine, as it stands now."""
    for path in _cgroup_files():
        if (value := _read_oom_kills(path)) is not None:
            return OomKillCounter(path, False, value)
    machine = Path("/proc/vmstat")
    return OomKillCounter(machine, True, value) if (value := _read_oom_kills(machine)) is not None else None


def _cgroup_files() -> list[Path]:
    """Where the counter may lie: version 2 (alone or beside version 1), version 1; also as a container sees them."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, group in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        below = group.lstrip("/")
        if not controllers:
            found += [
                root / part / "memory.events"
                for root in (_CGROUP_ROOT, _CGROUP_ROOT / "unified")
                for part in (below, "")
            ]
        elif "memory" in controllers.split(","):
            found += [_CGROUP_ROOT / "memory" / part / "memory.oom_control" for part in (below, "")]
    return found


def _read_oom_kills(path: Path) -> int | None:
    try:
        words = (line.split() for line in path.read_text().splitlines())
        return next((int(w[1]) for w in words if len(w) == 2 and w[0] == "oom_kill"), None)
    except (OSError, ValueError):
        return None
