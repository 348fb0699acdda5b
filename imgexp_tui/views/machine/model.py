"""The machine as the screens show it: CPU, memory, disk, network and GPUs, with their recent history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgexp_tui.views.machine.history import GaugeHistory


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A MIG instance of a card. Bytes."""

    index: int
    name: str
    memory: float | None
    memory_total: float | None


@dataclass(frozen=True, slots=True)
class GpuGauges:
    """One GPU; None where it does not tell. Percent, bytes, °C, W, MHz.

    Attributes:
        throttle_reasons: what slows it down; "" where nothing does.
        pcie_link: PCIe generation and width, such as "gen 4 ×16".
        ecc_errors: errors that could not be corrected.
        is_lost: it has fallen off the bus.
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
    throttle_reasons: str | None = None
    pcie_link: str | None = None
    ecc_errors: int | None = None
    mig_instances: tuple[MigInstance, ...] = ()
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Percent of all cores, bytes, bytes a second, GPUs.

    Attributes:
        per_core: percent of each core.
        problem: a quiet sentence about a driver that answers no more; "" mostly.
        histories: gauge → its past: "cpu" (%), "memory" (bytes), "disk" and "net" (bytes a second), "gpu0/utilization"
            (%),
            "gpu0/memory" (bytes).
    """

    cpu: float
    cores: int
    memory: float
    memory_total: float
    gpus: tuple[GpuGauges, ...]
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
    problem: str = ""
    histories: Mapping[str, GaugeHistory] = field(default_factory=dict)
