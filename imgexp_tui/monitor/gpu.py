"""NVIDIA GPUs, through NVML.

Cards differ in what they answer, lose parts of it when they are shared (MIG) and can fall off the bus while we look;
so every call is guarded by itself and what is not answered is None. Without a driver there are no GPUs and no noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from imgexp_tui.monitor.sample import GpuSample

_RETRY = 30.0
"""Seconds between two attempts to reach a driver."""
_LISTINGS = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
"""Without a version, these refuse a driver that is older than the package."""


class GpuSampler:
    """Samples all GPUs that NVML shows; the library is loaded at the first sample."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._retry_at = 0.0
        self._names: dict[int, str] = {}

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
        """Card → pid → bytes."""
        return {index: self._processes_of(index) for index in range(self._count())}

    def uuids(self) -> dict[int, str]:
        """Card → the driver's UUID of it, such as "GPU-8f6a…", for the cards that tell."""
        found = {i: self._ask("nvmlDeviceGetUUID", self._handle(i)) for i in range(self._count())}
        return {index: str(uuid) for index, uuid in found.items() if uuid}

    def _processes_of(self, index: int) -> dict[int, int]:
        found: dict[int, int] = {}
        handle = self._handle(index)
        for listing in _LISTINGS if handle is not None else ():
            for process in self._ask(f"{listing}_v3", handle) or self._ask(f"{listing}_v2", handle) or ():
                if process.usedGpuMemory is not None:
                    found[process.pid] = max(found.get(process.pid, 0), process.usedGpuMemory)
        return found

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
        return True

    def _leave(self) -> None:
        self._ask("nvmlShutdown")
        self._nvml = None
        self._retry_at = time.monotonic() + _RETRY

    def _ask(self, name: str, *arguments: Any) -> Any:
        """What NVML answers; None for whatever it does not support, has lost or does not know."""
        function: Callable[..., Any] | None = getattr(self._nvml, name, None)
        try:
            return function(*arguments) if function else None
        except (self._nvml.NVMLError, ValueError):  # ValueError: a name that is no UTF-8
            return None

    def _handle(self, index: int) -> Any:
        return self._ask("nvmlDeviceGetHandleByIndex", index)

    def _card(self, index: int) -> GpuSample:
        handle = self._handle(index)
        if handle is None:
            return GpuSample(index, self._names.get(index, f"GPU {index}"))
        if index not in self._names and (name := self._ask("nvmlDeviceGetName", handle)):
            self._names[index] = str(name)
        used = self._ask("nvmlDeviceGetUtilizationRates", handle)
        memory = self._memory(handle)
        return GpuSample(
            index=index,
            name=self._names.get(index, f"GPU {index}"),
            utilization=None if used is None else float(used.gpu),
            memory=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature=_number(self._ask("nvmlDeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU)),
            power=_watts(self._ask("nvmlDeviceGetPowerUsage", handle)),
            power_limit=_watts(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)),
        )

    def _memory(self, handle: Any) -> Any:
        """As nvidia-smi counts it: the second version keeps what the driver reserves apart; old drivers lack it."""
        found = self._ask("nvmlDeviceGetMemoryInfo", handle, self._nvml.nvmlMemory_v2)
        return found or self._ask("nvmlDeviceGetMemoryInfo", handle)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
