"""NVIDIA GPUs, through NVML.

Cards differ in what they answer, lose parts of it when they are shared (MIG) and can fall off the bus while we look;
so every call is guarded by itself and what is not answered is None. Without a driver there are no GPUs and no noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from imgexp_tui.monitor.samples import GpuProcess, GpuSample, MigSample

_RETRY = 30.0
"""Seconds between two attempts to reach a driver."""
_LISTINGS = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
"""Without a version, these refuse a driver that is older than the package."""
_THROTTLE = {0x04: "power cap", 0x08: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
"""The reasons of `nvml.h` for which a card runs slower than it could; the others are rest and what a user has set."""
_UNCORRECTED, _SINCE_START = 1, 0


class GpuSampler:
    """Samples all GPUs that NVML shows; the library is loaded at the first sample.

    Attributes:
        trouble: a quiet sentence where a driver that had answered does so no more; "" otherwise.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._retry_at = 0.0
        self._names: dict[int, str] = {}
        self._lost = False
        self.trouble = ""

    def sample(self) -> list[GpuSample]:
        """Every card now; [] without a driver. A card that was lost stays in the list with its values None."""
        return [self._card(index) for index in range(self._count())]

    def processes(self) -> dict[int, int]:
        """Bytes of GPU memory by pid, over all cards.

        In a container the driver may give the host's pids, which then match nobody's.
        """
        found: dict[int, int] = {}
        for card in self.processes_by_card().values():
            for pid, used in card.items():
                found[pid] = found.get(pid, 0) + used
        return found

    def processes_by_card(self) -> dict[int, dict[int, int]]:
        """Card → pid → bytes, for the processes whose memory the driver tells."""
        found: dict[int, dict[int, int]] = {index: {} for index in range(self._count())}
        for one in self.all_processes():
            if one.memory is not None:
                card = found.setdefault(one.card, {})
                card[one.pid] = card.get(one.pid, 0) + one.memory
        return found

    def all_processes(self) -> list[GpuProcess]:
        """Every process on every card and MIG instance."""
        found: list[GpuProcess] = []
        for index in range(self._count()):
            handle = self._handle(index)
            instances = self._instances(handle)
            # A card that is divided sums up its instances for the administrator, and tells others nothing.
            for number, instance in instances:
                found += self._processes_of(index, number, instance)
            if not instances:
                found += self._processes_of(index, None, handle)
        return found

    def traffic(self) -> dict[int, tuple[float | None, float | None]]:
        """Card → bytes a second to it and from it over PCIe.

        The driver counts for 20 ms each, so this is for whoever looks at that very number.
        """
        return {index: self._traffic_of(self._handle(index)) for index in range(self._count())}

    def uuids(self) -> dict[int, str]:
        """Card → the driver's UUID of it, such as "GPU-8f6a…", for the cards that tell."""
        found = {i: self._ask("nvmlDeviceGetUUID", self._handle(i)) for i in range(self._count())}
        return {index: str(uuid) for index, uuid in found.items() if uuid}

    def _processes_of(self, index: int, mig: int | None, handle: Any) -> list[GpuProcess]:
        found: dict[int, int | None] = {}
        for listing in _LISTINGS if handle is not None else ():
            listed = self._ask(f"{listing}_v3", handle)
            if listed is None:
                listed = self._ask(f"{listing}_v2", handle) or ()
            for process in listed:  # one that computes and draws stands in both
                known, used = found.get(process.pid), process.usedGpuMemory
                found[process.pid] = max(known, used) if known is not None and used is not None else used or known
        return [GpuProcess(index, pid, used, mig) for pid, used in found.items()]

    def _traffic_of(self, handle: Any) -> tuple[float | None, float | None]:
        if handle is None:
            return None, None
        ways = (self._nvml.NVML_PCIE_UTIL_RX_BYTES, self._nvml.NVML_PCIE_UTIL_TX_BYTES)
        into, out = (self._ask("nvmlDeviceGetPcieThroughput", handle, way) for way in ways)
        return None if into is None else into * 1024.0, None if out is None else out * 1024.0

    def _count(self) -> int:
        if not self._reached():
            return 0
        count = self._ask("nvmlDeviceGetCount")
        if count is None:  # the driver was unloaded or updated under us
            self._leave()
            return 0
        return int(count)

    def _reached(self) -> bool:
        if self._nvml is not None:
            return True
        if (now := time.monotonic()) < self._retry_at:
            return False
        self._retry_at = now + _RETRY
        try:
            import pynvml

            pynvml.nvmlInit()
        except (ImportError, OSError):
            return False
        except pynvml.NVMLError:
            return False
        self._nvml = pynvml
        self.trouble = ""
        return True

    def _leave(self) -> None:
        self._ask("nvmlShutdown")
        self._nvml = None
        self._names.clear()  # when it is back, its cards may be others
        self._retry_at = time.monotonic() + _RETRY
        self.trouble = "the GPU driver does not answer any more"

    def _ask(self, name: str, *arguments: Any) -> Any:
        """What NVML answers; None for whatever it does not support, has lost or does not know."""
        function: Callable[..., Any] | None = getattr(self._nvml, name, None)
        try:
            return function(*arguments) if function else None
        except self._nvml.NVMLError as error:
            self._lost = self._lost or error.value == self._nvml.NVML_ERROR_GPU_IS_LOST
            return None
        except ValueError:  # a name that is no UTF-8
            return None

    def _handle(self, index: int) -> Any:
        return self._ask("nvmlDeviceGetHandleByIndex", index)

    def _card(self, index: int) -> GpuSample:
        self._lost = False
        handle = self._handle(index)
        if handle is not None and index not in self._names and (name := self._ask("nvmlDeviceGetName", handle)):
            self._names[index] = str(name)
        known, name = index in self._names, self._names.get(index, f"GPU {index}")
        used = None if handle is None else self._ask("nvmlDeviceGetUtilizationRates", handle)
        if handle is None or self._lost:
            return GpuSample(index, name, lost=self._lost or known)  # others may just not be ours to look at
        memory, clocks = self._memory(handle), (self._nvml.NVML_CLOCK_SM, self._nvml.NVML_CLOCK_MEM)
        return GpuSample(
            index=index,
            name=name,
            utilization=None if used is None else float(used.gpu),
            memory=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature=_number(self._ask("nvmlDeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU)),
            power=_watts(self._ask("nvmlDeviceGetPowerUsage", handle)),
            power_limit=_watts(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)),
            clock=_number(self._ask("nvmlDeviceGetClockInfo", handle, clocks[0])),
            clock_max=_number(self._ask("nvmlDeviceGetMaxClockInfo", handle, clocks[0])),
            memory_clock=_number(self._ask("nvmlDeviceGetClockInfo", handle, clocks[1])),
            throttle=self._throttle(handle),
            pcie_generation=self._ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            pcie_width=self._ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
            ecc_errors=self._ask("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _SINCE_START),
            mig=tuple(self._instance(number, instance) for number, instance in self._instances(handle)),
        )

    def _throttle(self, handle: Any) -> tuple[str, ...] | None:
        """Drivers before 535 know the older name only, and later ones may drop it."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        if bits is None:
            return None
        return tuple(dict.fromkeys(word for bit, word in _THROTTLE.items() if bits & bit))

    def _instances(self, handle: Any) -> list[tuple[int, Any]]:
        """Number and handle of each MIG instance; [] where the card is not divided."""
        if handle is None or not (mode := self._ask("nvmlDeviceGetMigMode", handle)) or not mode[0]:
            return []
        most = self._ask("nvmlDeviceGetMaxMigDeviceCount", handle)
        found = ((i, self._ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, i)) for i in range(most or 7))
        return [(number, instance) for number, instance in found if instance is not None]

    def _instance(self, number: int, handle: Any) -> MigSample:
        memory, name = self._memory(handle), self._ask("nvmlDeviceGetName", handle)
        return MigSample(
            number,
            str(name or f"MIG {number}"),
            None if memory is None else int(memory.used),
            None if memory is None else int(memory.total),
        )

    def _memory(self, handle: Any) -> Any:
        """As nvidia-smi counts it: the second version keeps what the driver reserves apart; old drivers lack it."""
        found = self._ask("nvmlDeviceGetMemoryInfo", handle, self._nvml.nvmlMemory_v2)
        return found or self._ask("nvmlDeviceGetMemoryInfo", handle)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
