"""Immutable data of the machine's gauges: CPU, memory, disk, network and GPUs, with their recent histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgexp_tui.views.machine.history import GaugeHistory


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A MIG instance of a GPU; memory in bytes, None where it is unknown."""

    index: int
    name: str
    memory: float | None
    memory_total: float | None


@dataclass(frozen=True, slots=True)
class GpuGauges:
    """One GPU. Units: percent, bytes, °C, W, MHz; None where the driver reports no value.

    Attributes:
        throttle_reasons: why its clock is throttled; "" if it is not.
        pcie_link: PCIe generation and width, such as "gen 4 ×16".
        ecc_errors: number of uncorrected ECC errors.
        is_lost: whether it no longer answers on the bus.
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
    """The gauges of a machine. Units: percent of all cores, bytes, bytes per second.

    Attributes:
        per_core: utilization of each core in percent.
        problem: a sentence about a driver that no longer answers; usually "".
        histories: gauge → its history. Gauges are "cpu", "gpu0/utilization" (percent), "memory", "gpu0/memory" (bytes),
            "disk" and "net" (bytes per second).
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
