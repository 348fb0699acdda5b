"""The values of one sample of the machine: a value that is newly measured gets its field here.

`host`, `gpu`, `io_rates` and `process_tree` read the values, and `runner/supervisor/recorder.py` writes them to
`system.jsonl`. None stands for a value that the machine does not report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MigSample:
    """One MIG instance of a GPU, which has memory of its own and shares the rest. Bytes."""

    index: int
    name: str
    memory: int | None = None
    memory_total: int | None = None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU.

    Attributes:
        index: NVML's number of the GPU.
        utilization: percent of the last moments in which a kernel was running.
        memory, memory_total: bytes, of all processes.
        temperature: °C.
        power, power_limit: W.
        clock, clock_max, memory_clock: MHz; the first two are those of the processors.
        throttle: what slows its clocks down, such as ("heat",); () if nothing does.
        pcie_generation, pcie_width: of the link as it is now; an idle link slows down.
        ecc_errors: uncorrected errors since the driver was started.
        mig: its instances; () if it is not divided.
        lost: whether it has fallen off the bus; all else is unknown then.
    """

    index: int
    name: str
    utilization: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    clock: float | None = None
    clock_max: float | None = None
    memory_clock: float | None = None
    throttle: tuple[str, ...] | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    ecc_errors: int | None = None
    mig: tuple[MigSample, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that uses a GPU.

    Attributes:
        mig: the instance of the GPU; None if that is not divided.
        memory: bytes; None if the driver does not report it.
    """

    gpu: int
    pid: int
    memory: int | None = None
    mig: int | None = None


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine.

    Attributes:
        cpu_percent: of all cores together, 0 to 100, since the previous sample.
        per_core: the same for each core.
        load: load average over 1, 5 and 15 minutes.
        memory, memory_total, swap, swap_total: bytes; memory is what is not available to a new process.
        disk_free, disk_total: bytes of the file system that holds the lab.
        disk_read, disk_write: bytes a second of the disk that holds the lab, since the previous sample; None if it
            is on no disk of this machine.
        net_in, net_out: bytes a second over the network, since the previous sample.
    """

    cpu_percent: float
    per_core: tuple[float, ...]
    load: tuple[float, float, float]
    memory: int
    memory_total: int
    swap: int
    disk_free: int | None
    disk_total: int | None
    swap_total: int = 0
    disk_read: float | None = None
    disk_write: float | None = None
    net_in: float | None = None
    net_out: float | None = None


@dataclass(frozen=True, slots=True)
class TreeSample:
    """A process and all processes below it.

    Attributes:
        cpu_percent: 100 is one core.
        memory: bytes; what several of its processes share is counted once if the kernel reports it (PSS).
        processes: how many there are.
        gpu_memory: bytes on all GPUs; None if the driver does not report it.
        memory_by_gpu: the same for each GPU that it uses.
        shared: bytes by which their resident memory exceeds `memory`, because several of them have it.
        read, write: bytes a second from and to disks, since the previous sample; None if the kernel does not report it.
    """

    cpu_percent: float
    memory: int
    processes: int
    gpu_memory: int | None
    memory_by_gpu: Mapping[int, int] = field(default_factory=dict)
    shared: int = 0
    read: float | None = None
    write: float | None = None
