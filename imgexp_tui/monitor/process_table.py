"""The processes of the machine, everybody's: what each takes, and which run it belongs to.

For whoever looks at them at this moment: reading all of `/proc` costs milliseconds, which a supervisor may not take.
"""

from __future__ import annotations

import functools
import os
import pwd
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.monitor.proc import Stat, environment, pids, stat
from imgexp_tui.monitor.samples import GpuProcess

_RUN_DIR = b"IMGEXP_RUN_DIR="
"""What every process of a run has in its environment."""
_FRESH = 5
"""Looks after which a process's user, command and run are read again: it may have become another program."""
_LONGEST = 500
"""Characters of a command line."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What seldom changes of a process."""

    user: str
    command: str
    run_dir: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One process.

    Attributes:
        user: "" where that is not told: a GPU's list may hold processes that are not visible from a container.
        cpu_percent: 100 is one core; 0 at the first look.
        memory: resident bytes.
        gpus: the cards that work for it.
        gpu_memory: bytes; None where it uses none, or the driver does not tell.
        command: its command line, as it wrote it: not cleaned.
        run_dir: the folder of the run that it belongs to; "" for one that belongs to none, or is another user's.
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
    """Looks at all processes."""

    def __init__(self) -> None:
        self._cpu: dict[tuple[int, int], float] = {}
        self._known: dict[tuple[int, int], _Known] = {}
        self._looks = 0
        self._when = time.monotonic()

    def look(self, gpu: Iterable[GpuProcess] = ()) -> list[Entry]:
        """Everything that runs, in no order; threads of the kernel are left out."""
        found = [s for pid in pids() if (s := stat(pid)) and not s.zombie and s.rss]
        used = _by_pid(gpu)
        passed, self._when = time.monotonic() - self._when, time.monotonic()
        before, self._cpu = self._cpu, {(s.pid, s.start_ticks): s.cpu for s in found}
        self._get_to_know(found)
        runs = self._runs(found)
        entries = []
        for s in found:
            key, known = (s.pid, s.start_ticks), self._known[s.pid, s.start_ticks]
            percent = max(0.0, 100.0 * (s.cpu - before[key]) / passed) if key in before and passed > 0 else 0.0
            cards, memory = used.pop(s.pid, ((), None))
            run = runs.get(s.pid, "")
            entries.append(Entry(*key, known.user, percent, s.rss, cards, memory, known.command, run))
        hidden = [Entry(pid, 0, "", 0.0, 0, cards, memory, "", "") for pid, (cards, memory) in used.items()]
        return [*entries, *hidden]

    def _get_to_know(self, found: list[Stat]) -> None:
        self._looks += 1
        before = self._known if self._looks % _FRESH else {}
        keys = [(s.pid, s.start_ticks) for s in found]
        self._known = {key: before.get(key) or _look_at(key[0]) for key in keys}

    def _runs(self, found: list[Stat]) -> dict[int, str]:
        """pid → folder of its run: by its environment, else that of its parent, for one that has wiped its own."""
        parents = {s.pid: s.parent for s in found}
        runs = {pid: known.run_dir for (pid, _), known in self._known.items() if known.run_dir}
        for pid in parents:
            line = [pid]
            while (above := parents.get(line[-1])) and above not in runs and above not in line:
                line.append(above)
            if above in runs:
                runs |= {below: runs[above] for below in line if below not in runs}
        return runs


def command(pid: int) -> str:
    """A process's command line, or its name in brackets where it has none; "" where it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()[:_LONGEST].replace(b"\0", b" ").strip()
        words = words or b"[" + Path(f"/proc/{pid}/comm").read_bytes().strip() + b"]"
    except OSError:
        return ""
    return words.decode("utf-8", "replace")


def _look_at(pid: int) -> _Known:
    """Environments tell the run. Others' may not be read, and by root are not: nothing of theirs counts as ours."""
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return _Known("", "", "")
    run_dir = b""
    if uid == os.getuid():
        run_dir = next((e.removeprefix(_RUN_DIR) for e in environment(pid) if e.startswith(_RUN_DIR)), b"")
    return _Known(_name(uid), command(pid), os.fsdecode(run_dir))


def _by_pid(gpu: Iterable[GpuProcess]) -> dict[int, tuple[tuple[int, ...], int | None]]:
    found: dict[int, tuple[tuple[int, ...], int | None]] = {}
    for one in gpu:
        cards, memory = found.get(one.pid, ((), None))
        both = [m for m in (memory, one.memory) if m is not None]
        found[one.pid] = (cards if one.card in cards else (*cards, one.card), sum(both) if both else None)
    return found


@functools.cache
def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
