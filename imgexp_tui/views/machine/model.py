"""The machine as the screens show it: CPU, memory, disk, network and GPUs, with their recent history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgexp_tui.views.machine.history import Past


@dataclass(frozen=True, slots=True)
class Part:
    """A MIG instance of a card. Bytes."""

    index: int
    name: str
    memory: float | None
    memory_total: float | None


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU; None where it does not tell. Percent, bytes, °C, W, MHz.

    Attributes:
        throttle: what slows it down; "" where nothing does.
        link: PCIe generation and width, such as "gen 4 ×16".
        ecc: errors that could not be corrected.
        lost: it has fallen off the bus.
    """

    index: int
    name: str
    utilization: float | None
    memory: float | None
    memory_total: float | None
    temperature: float | None
    power: float | None
    power_limit: float | None
    clock: float | None = None
    clock_max: float | None = None
    throttle: str | None = None
    link: str | None = None
    ecc: int | None = None
    parts: tuple[Part, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Percent of all cores, bytes, bytes a second, GPUs.

    Attributes:
        per_core: percent of each core.
        trouble: a quiet sentence about a driver that answers no more; "" mostly.
        past: gauge → its past: "cpu" (%), "memory" (bytes), "disk" and "net" (bytes a second), "gpu0/utilization" (%),
            "gpu0/memory" (bytes).
    """

    cpu: float
    cores: int
    memory: float
    memory_total: float
    cards: tuple[Card, ...]
    per_core: tuple[float, ...] = ()
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    swap: float = 0.0
    swap_total: float = 0.0
    disk_free: float | None = None
    disk_total: float | None = None
    disk_read: float | None = None
    disk_write: float | None = None
    net_in: float | None = None
    net_out: float | None = None
    trouble: str = ""
    past: Mapping[str, Past] = field(default_factory=dict)
