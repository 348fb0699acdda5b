"""What one look at the machine finds. Plain values; None stands for what the machine does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU.

    Attributes:
        index: NVML's number of the card.
        utilization: percent of the last moments in which a kernel was running.
        memory, memory_total: bytes, of all processes.
        temperature: °C.
        power, power_limit: W.
    """

    index: int
    name: str
    utilization: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine.

    Attributes:
        cpu_percent: of all cores together, 0 to 100, since the sample before.
        per_core: the same for each core.
        load: load average over 1, 5 and 15 minutes.
        memory, memory_total, swap: bytes; memory is what is not available to a new process.
        disk_free, disk_total: bytes of the file system that holds the lab.
    """

    cpu_percent: float
    per_core: tuple[float, ...]
    load: tuple[float, float, float]
    memory: int
    memory_total: int
    swap: int
    disk_free: int | None
    disk_total: int | None


@dataclass(frozen=True, slots=True)
class TreeSample:
    """A process and all that it started.

    Attributes:
        cpu_percent: 100 is one core.
        memory: bytes; what several of its processes share is counted once where the kernel tells (PSS).
        processes: how many there are.
        gpu_memory: bytes on all GPUs; None where the driver does not tell.
        gpu_memory_by_card: the same for each card that it uses.
    """

    cpu_percent: float
    memory: int
    processes: int
    gpu_memory: int | None
    gpu_memory_by_card: Mapping[int, int] = field(default_factory=dict)
