"""Reads the kernel's counters of the lab's disk and the network, and turns them into rates."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

_SECTOR_BYTES = 512
"""Bytes; what the kernel counts disks in, whatever their sectors are (Documentation/block/stat.rst)."""
_MOUNTS, _NET = Path("/proc/self/mountinfo"), Path("/proc/net/dev")


class RateMeter:
    """Turns counters into rates per second, between one call and the next."""

    def __init__(self) -> None:
        self._previous_counters: tuple[int, ...] | None = None
        self._previous_time = 0.0

    def __call__(self, counters: tuple[int, ...] | None) -> tuple[float | None, ...] | None:
        """Returns the rates since the previous call; None at the first call, and without counters."""
        before, self._previous_counters = self._previous_counters, counters
        when, self._previous_time = self._previous_time, time.monotonic()
        passed = self._previous_time - when
        if before is None or counters is None or len(before) != len(counters) or passed <= 0:
            return None
        # A counter is less than before if the device was removed and added again.
        return tuple(max(0, now - earlier) / passed for now, earlier in zip(counters, before, strict=True))


def disk_stat_file(folder: Path) -> Path | None:
    """Returns the file of counters of the disk or partition that holds `folder`; None if it is on no local disk."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return None
    if not os.major(device):  # btrfs, overlays: the number is made up, and the mount names the disk
        source = _mount_source(device)
        try:
            device = source.stat().st_rdev if source else 0
        except OSError:
            return None
    path = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    return path if os.major(device) and path.exists() else None


def disk_bytes(stat_file: Path | None) -> tuple[int, int] | None:
    """Returns the bytes read and written so far."""
    try:
        fields = stat_file.read_bytes().split() if stat_file else []
        return int(fields[2]) * _SECTOR_BYTES, int(fields[6]) * _SECTOR_BYTES
    except (OSError, IndexError, ValueError):
        return None


def net_bytes() -> tuple[int, int] | None:
    """Returns the bytes received and sent so far, over network cards; without cards, over all interfaces but loopback.

    Traffic through a bridge or a tunnel goes through a card too, and is counted once.
    """
    try:
        rows = [line.partition(":") for line in _NET.read_text().splitlines()[2:]]
    except OSError:
        return None
    interfaces = {name.strip(): counts.split() for name, _, counts in rows if name.strip() != "lo"}
    cards = {name: counts for name, counts in interfaces.items() if _is_network_card(name)}
    try:
        chosen = (cards or interfaces).values()
        return sum(int(c[0]) for c in chosen), sum(int(c[8]) for c in chosen)
    except (IndexError, ValueError):
        return None


@functools.cache
def _is_network_card(name: str) -> bool:
    return Path(f"/sys/class/net/{name}/device").exists()


def _mount_source(device: int) -> Path | None:
    """Returns the device file of the mount whose virtual device number is `device`."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        for line in _MOUNTS.read_text("utf-8", "replace").splitlines():
            first, _, rest = line.partition(" - ")
            source = rest.split(" ")[1]
            if first.split(" ")[2] == number and source.startswith("/dev/"):
                return Path(source)
    except (OSError, IndexError):
        return None
    return None
