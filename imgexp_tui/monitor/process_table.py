"""Lists all processes of the machine: what each uses, and which run it belongs to.

Use it only while they are displayed: reading all of `/proc` takes milliseconds, too long for a supervisor.
"""

from __future__ import annotations

import functools
import os
import pwd
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.monitor.proc import ProcessStat, list_pids, read_environment, read_stat
from imgexp_tui.monitor.samples import GpuProcess

_RUN_DIR = b"IMGEXP_RUN_DIR="
"""What every process of a run has in its environment."""
_REFRESH_EVERY = 5
"""Looks after which a process's user, command and run are read again: it may have become another program."""
_MAX_COMMAND_LENGTH = 500
"""Characters of a command line."""


@dataclass(frozen=True, slots=True)
class _CachedDetails:
    """What rarely changes about a process."""

    user: str
    command: str
    run_dir: str


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process.

    Attributes:
        user: "" if unknown: a GPU's list may contain processes that are not visible from a container.
        cpu_percent: 100 is one core; 0 in the first sample.
        memory: resident bytes.
        gpus: the GPUs that it uses.
        gpu_memory: bytes; None if it uses none, or the driver does not report it.
        command: its command line, as the process wrote it: not cleaned.
        run_dir: the folder of the run that it belongs to; "" if it belongs to none or to another user.
    """

    pid: int
    start_ticks: int
    user: str
    cpu_percent: float
    memory: int
    gpus: tuple[int, ...]
    gpu_memory: int | None
    command: str
    run_dir: str


class ProcessTable:
    """Samples all processes."""

    def __init__(self) -> None:
        self._cpu_seconds: dict[tuple[int, int], float] = {}
        self._details: dict[tuple[int, int], _CachedDetails] = {}
        self._sample_count = 0
        self._last_sample_time = time.monotonic()

    def sample(self, gpu_processes: Iterable[GpuProcess] = ()) -> list[ProcessInfo]:
        """Returns all processes, in no order, without kernel threads."""
        stats = [s for pid in list_pids() if (s := read_stat(pid)) and not s.zombie and s.rss]
        used = _gpu_use_by_pid(gpu_processes)
        passed, self._last_sample_time = time.monotonic() - self._last_sample_time, time.monotonic()
        before, self._cpu_seconds = self._cpu_seconds, {(s.pid, s.start_ticks): s.cpu_seconds for s in stats}
        self._update_details(stats)
        runs = self._run_dirs_by_pid(stats)
        entries = []
        for s in stats:
            key, known = (s.pid, s.start_ticks), self._details[s.pid, s.start_ticks]
            percent = max(0.0, 100.0 * (s.cpu_seconds - before[key]) / passed) if key in before and passed > 0 else 0.0
            cards, memory = used.pop(s.pid, ((), None))
            run = runs.get(s.pid, "")
            entries.append(ProcessInfo(*key, known.user, percent, s.rss, cards, memory, known.command, run))
        hidden = [ProcessInfo(pid, 0, "", 0.0, 0, cards, memory, "", "") for pid, (cards, memory) in used.items()]
        return [*entries, *hidden]

    def _update_details(self, stats: list[ProcessStat]) -> None:
        self._sample_count += 1
        before = self._details if self._sample_count % _REFRESH_EVERY else {}
        keys = [(s.pid, s.start_ticks) for s in stats]
        self._details = {key: before.get(key) or _read_details(key[0]) for key in keys}

    def _run_dirs_by_pid(self, stats: list[ProcessStat]) -> dict[int, str]:
        """Returns pid → folder of its run, by its environment; a process that has cleared it gets its parent's run."""
        parents = {s.pid: s.parent_pid for s in stats}
        runs = {pid: known.run_dir for (pid, _), known in self._details.items() if known.run_dir}
        for pid in parents:
            line = [pid]
            while (above := parents.get(line[-1])) and above not in runs and above not in line:
                line.append(above)
            if above in runs:
                runs |= {below: runs[above] for below in line if below not in runs}
        return runs


def read_command_line(pid: int) -> str:
    """Returns a process's command line, or its name in brackets if it has none; "" if it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()[:_MAX_COMMAND_LENGTH].replace(b"\0", b" ").strip()
        words = words or b"[" + Path(f"/proc/{pid}/comm").read_bytes().strip() + b"]"
    except OSError:
        return ""
    return words.decode("utf-8", "replace")


def _read_details(pid: int) -> _CachedDetails:
    """Reads what rarely changes; the run is in the environment.

    Environments of other users are not read, also not by root: their processes never belong to a run of this user.
    """
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return _CachedDetails("", "", "")
    run_dir = b""
    if uid == os.getuid():
        run_dir = next((e.removeprefix(_RUN_DIR) for e in read_environment(pid) if e.startswith(_RUN_DIR)), b"")
    return _CachedDetails(_user_name(uid), read_command_line(pid), os.fsdecode(run_dir))


def _gpu_use_by_pid(gpu_processes: Iterable[GpuProcess]) -> dict[int, tuple[tuple[int, ...], int | None]]:
    by_pid: dict[int, tuple[tuple[int, ...], int | None]] = {}
    for one in gpu_processes:
        cards, memory = by_pid.get(one.pid, ((), None))
        both = [m for m in (memory, one.memory) if m is not None]
        by_pid[one.pid] = (cards if one.gpu in cards else (*cards, one.gpu), sum(both) if both else None)
    return by_pid


@functools.cache
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
