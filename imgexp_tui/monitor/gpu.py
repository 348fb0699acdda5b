"""Samples NVIDIA GPUs, through NVML.

GPUs differ in what they report, report less when they are divided (MIG), and can fall off the bus at any time. So each
call is guarded by itself, and a value that is not reported is None. Without a driver there are no GPUs and no messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from imgexp_tui.monitor.samples import GpuProcess, GpuSample, MigSample

_RETRY_INTERVAL = 30.0
"""Seconds between two attempts to reach a driver."""
_PROCESS_LIST_FUNCTIONS = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
"""Without a version, these refuse a driver that is older than the package."""
_THROTTLE_REASONS = {0x04: "power cap", 0x08: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
"""The reasons of `nvml.h` for which a card runs slower than it could; the others are rest and what a user has set."""
_UNCORRECTED, _SINCE_START = 1, 0


class GpuSampler:
    """Samples all GPUs that NVML shows; the library is loaded at the first sample.

    Attributes:
        problem: a sentence if a driver that had answered no longer does; "" otherwise.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._retry_at = 0.0
        self._names: dict[int, str] = {}
        self._lost = False
        self.problem = ""

    def sample(self) -> list[GpuSample]:
        """Returns a sample of each GPU; [] without a driver. A GPU that was lost stays in the list, its values None."""
        return [self._sample_gpu(index) for index in range(self._gpu_count())]

    def memory_by_pid(self) -> dict[int, int]:
        """Returns the bytes of GPU memory by pid, over all GPUs.

        In a container the driver may report the host's pids, which match no process there.
        """
        memory: dict[int, int] = {}
        for card in self.process_memory_by_gpu().values():
            for pid, used in card.items():
                memory[pid] = memory.get(pid, 0) + used
        return memory

    def process_memory_by_gpu(self) -> dict[int, dict[int, int]]:
        """Returns GPU → pid → bytes, for the processes whose memory the driver reports."""
        by_gpu: dict[int, dict[int, int]] = {index: {} for index in range(self._gpu_count())}
        for one in self.all_processes():
            if one.memory is not None:
                card = by_gpu.setdefault(one.gpu, {})
                card[one.pid] = card.get(one.pid, 0) + one.memory
        return by_gpu

    def all_processes(self) -> list[GpuProcess]:
        """Returns the processes on all GPUs and MIG instances."""
        processes: list[GpuProcess] = []
        for index in range(self._gpu_count()):
            handle = self._handle(index)
            instances = self._mig_instances(handle)
            # A GPU that is divided reports the sum of its instances to the administrator, and nothing to other users.
            for number, instance in instances:
                processes += self._list_processes(index, number, instance)
            if not instances:
                processes += self._list_processes(index, None, handle)
        return processes

    def pcie_rates(self) -> dict[int, tuple[float | None, float | None]]:
        """Returns GPU → bytes a second to it and from it over PCIe.

        The driver counts for 20 ms per value, so call this only where the number is displayed.
        """
        return {index: self._pcie_rate(self._handle(index)) for index in range(self._gpu_count())}

    def uuids(self) -> dict[int, str]:
        """Returns GPU → its UUID, such as "GPU-8f6a…", for the GPUs that report one."""
        answers = {i: self._query("nvmlDeviceGetUUID", self._handle(i)) for i in range(self._gpu_count())}
        return {index: str(uuid) for index, uuid in answers.items() if uuid}

    def _list_processes(self, index: int, mig: int | None, handle: Any) -> list[GpuProcess]:
        memory: dict[int, int | None] = {}
        for listing in _PROCESS_LIST_FUNCTIONS if handle is not None else ():
            listed = self._query(f"{listing}_v3", handle)
            if listed is None:
                listed = self._query(f"{listing}_v2", handle) or ()
            for process in listed:  # one that computes and draws stands in both
                known, used = memory.get(process.pid), process.usedGpuMemory
                memory[process.pid] = max(known, used) if known is not None and used is not None else used or known
        return [GpuProcess(index, pid, used, mig) for pid, used in memory.items()]

    def _pcie_rate(self, handle: Any) -> tuple[float | None, float | None]:
        if handle is None:
            return None, None
        ways = (self._nvml.NVML_PCIE_UTIL_RX_BYTES, self._nvml.NVML_PCIE_UTIL_TX_BYTES)
        into, out = (self._query("nvmlDeviceGetPcieThroughput", handle, way) for way in ways)
        return None if into is None else into * 1024.0, None if out is None else out * 1024.0

    def _gpu_count(self) -> int:
        if not self._connect():
            return 0
        count = self._query("nvmlDeviceGetCount")
        if count is None:  # the driver was unloaded or updated under us
            self._disconnect()
            return 0
        return int(count)

    def _connect(self) -> bool:
        if self._nvml is not None:
            return True
        if (now := time.monotonic()) < self._retry_at:
            return False
        self._retry_at = now + _RETRY_INTERVAL
        try:
            import pynvml

            pynvml.nvmlInit()
        except (ImportError, OSError):
            return False
        except pynvml.NVMLError:
            return False
        self._nvml = pynvml
        self.problem = ""
        return True

    def _disconnect(self) -> None:
        self._query("nvmlShutdown")
        self._nvml = None
        self._names.clear()  # when it is back, its cards may be others
        self._retry_at = time.monotonic() + _RETRY_INTERVAL
        self.problem = "the GPU driver does not answer any more"

    def _query(self, name: str, *arguments: Any) -> Any:
        """Returns what NVML answers; None if it does not support the query, has lost the GPU or does not know."""
        function: Callable[..., Any] | None = getattr(self._nvml, name, None)
        try:
            return function(*arguments) if function else None
        except self._nvml.NVMLError as error:
            self._lost = self._lost or error.value == self._nvml.NVML_ERROR_GPU_IS_LOST
            return None
        except ValueError:  # a name that is no UTF-8
            return None

    def _handle(self, index: int) -> Any:
        return self._query("nvmlDeviceGetHandleByIndex", index)

    def _sample_gpu(self, index: int) -> GpuSample:
        self._lost = False
        handle = self._handle(index)
        if handle is not None and index not in self._names and (name := self._query("nvmlDeviceGetName", handle)):
            self._names[index] = str(name)
        known, name = index in self._names, self._names.get(index, f"GPU {index}")
        used = None if handle is None else self._query("nvmlDeviceGetUtilizationRates", handle)
        if handle is None or self._lost:
            return GpuSample(
                index, name, lost=self._lost or known
            )  # for other errors, this user may lack the permission
        memory, clocks = self._memory_info(handle), (self._nvml.NVML_CLOCK_SM, self._nvml.NVML_CLOCK_MEM)
        return GpuSample(
            index=index,
            name=name,
            utilization=None if used is None else float(used.gpu),
            memory=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature=_float_or_none(
                self._query("nvmlDeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU)
            ),
            power=_watts(self._query("nvmlDeviceGetPowerUsage", handle)),
            power_limit=_watts(self._query("nvmlDeviceGetEnforcedPowerLimit", handle)),
            clock=_float_or_none(self._query("nvmlDeviceGetClockInfo", handle, clocks[0])),
            clock_max=_float_or_none(self._query("nvmlDeviceGetMaxClockInfo", handle, clocks[0])),
            memory_clock=_float_or_none(self._query("nvmlDeviceGetClockInfo", handle, clocks[1])),
            throttle=self._read_throttle_reasons(handle),
            pcie_generation=self._query("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            pcie_width=self._query("nvmlDeviceGetCurrPcieLinkWidth", handle),
            ecc_errors=self._query("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _SINCE_START),
            mig=tuple(self._sample_mig_instance(number, instance) for number, instance in self._mig_instances(handle)),
        )

    def _read_throttle_reasons(self, handle: Any) -> tuple[str, ...] | None:
        """Returns the names of the reasons. Drivers before 535 know only the older query; later ones may drop it."""
        bits = self._query("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if bits is None:
            bits = self._query("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        if bits is None:
            return None
        return tuple(dict.fromkeys(word for bit, word in _THROTTLE_REASONS.items() if bits & bit))

    def _mig_instances(self, handle: Any) -> list[tuple[int, Any]]:
        """Returns number and handle of each MIG instance; [] if the GPU is not divided."""
        if handle is None or not (mode := self._query("nvmlDeviceGetMigMode", handle)) or not mode[0]:
            return []
        most = self._query("nvmlDeviceGetMaxMigDeviceCount", handle)
        instances = ((i, self._query("nvmlDeviceGetMigDeviceHandleByIndex", handle, i)) for i in range(most or 7))
        return [(number, instance) for number, instance in instances if instance is not None]

    def _sample_mig_instance(self, number: int, handle: Any) -> MigSample:
        memory, name = self._memory_info(handle), self._query("nvmlDeviceGetName", handle)
        return MigSample(
            number,
            str(name or f"MIG {number}"),
            None if memory is None else int(memory.used),
            None if memory is None else int(memory.total),
        )

    def _memory_info(self, handle: Any) -> Any:
        """Returns memory as nvidia-smi counts it: version 2 excludes what the driver reserves; old drivers lack it."""
        memory = self._query("nvmlDeviceGetMemoryInfo", handle, self._nvml.nvmlMemory_v2)
        return memory or self._query("nvmlDeviceGetMemoryInfo", handle)


def _float_or_none(value: Any) -> float | None:
    return None if value is None else float(value)


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
