"""CPUs and memory that this process may use, within the limits of a container or a cluster's job.

torch starts a thread for every core that it sees; in a container with two CPUs on a machine with 64 that is many
times slower than two threads. psutil reports the whole machine too, so this module reads control groups (v2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUP_ROOT = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """CPUs that this process may use, at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for words in _cgroup_limits("cpu.max"):
        if len(words) == 2 and words[0].isdigit():
            count = min(count, max(1, int(words[0]) // int(words[1])))
    return count


def free_memory() -> int:
    """Bytes that may still be allocated without swapping."""
    free: int = psutil.virtual_memory().available
    limits = [int(words[0]) for words in _cgroup_limits("memory.max") if words[0].isdigit()]
    if limits:
        free = min(free, max(0, min(limits) - psutil.Process().memory_info().rss))
    return free


def _cgroup_limits(name: str) -> Iterator[list[str]]:
    """The words of the file `name` in this process's control group and in each group above it."""
    try:
        own = Path("/proc/self/cgroup").read_text().rsplit("0::/", 1)[-1].strip()
    except OSError:
        return
    for folder in (_CGROUP_ROOT / own, *(_CGROUP_ROOT / own).parents):
        try:
            words = (folder / name).read_text().split()
        except OSError:
            continue
        if words:
            yield words
        if folder == _CGROUP_ROOT:
            return
