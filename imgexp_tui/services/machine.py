"""Samples the machine's gauges for the screen; a displayed value changes only when it has changed enough to matter.

The percentages of an idle machine change all the time. Displayed as they are, an idle screen would send bytes for
nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.views.machine.history import GaugeRecorder
from imgexp_tui.views.machine.model import GpuGauges, Machine, MigInstance

if TYPE_CHECKING:
    from imgexp_tui.monitor.samples import GpuSample, HostSample

_MEGA = 1e6


class GaugeHysteresis:
    """Remembers the displayed value of each gauge."""

    def __init__(self) -> None:
        self._displayed: dict[str, float] = {}

    def __call__(self, name: str, value: float | None, min_change: float) -> float | None:
        """The value to display, a whole number: as before, unless `value` differs from it by `min_change` or more.

        Args:
            name: of the gauge.
            value: as measured; None where it cannot be, which is returned.
        """
        if value is None:
            self._displayed.pop(name, None)
            return None
        before = self._displayed.get(name)
        if before is None or abs(value - before) >= min_change:
            self._displayed[name] = before = float(round(value))
        return before


class MachineSampler:
    """Samples this machine; for one thread. The libraries of the samplers are imported when one is made."""

    def __init__(self, lab: Path) -> None:
        from imgexp_tui.monitor.gpu import GpuSampler
        from imgexp_tui.monitor.host import HostSampler

        self._host = HostSampler(lab)
        self._gpu = GpuSampler()
        self._hysteresis = GaugeHysteresis()
        self._recorder = GaugeRecorder()

    def sample(self) -> Machine:
        """The gauges as of now."""
        host, gpus, damped = self._host.sample(), self._gpu.sample(), self._hysteresis
        self._recorder.add(_recorded_gauges(host, gpus))
        return Machine(
            damped("cpu", host.cpu_percent, 5) or 0.0,
            max(1, len(host.per_core)),
            damped("memory", host.memory, host.memory_total / 100) or 0.0,
            host.memory_total,
            tuple(self._gpu_gauges(gpu) for gpu in gpus),
            per_core=tuple(damped(f"core{i}", percent, 10) or 0.0 for i, percent in enumerate(host.per_core)),
            load=_load_averages(tuple(damped(f"load{i}", 10 * load, 1 + load) for i, load in enumerate(host.load))),
            swap=damped("swap", host.swap, host.swap_total / 100) or 0.0,
            swap_total=host.swap_total,
            disk_free=damped("disk", host.disk_free, (host.disk_total or 0) / 1000),
            disk_total=host.disk_total,
            disk_read=self._steady_rate("read", host.disk_read),
            disk_write=self._steady_rate("write", host.disk_write),
            net_in=self._steady_rate("in", host.net_in),
            net_out=self._steady_rate("out", host.net_out),
            problem=self._gpu.problem,
            histories=self._recorder.histories(),
        )

    def _steady_rate(self, name: str, value: float | None) -> float | None:
        """Bytes a second to display; a change below a tenth, or below a tenth of a megabyte, is ignored."""
        return self._hysteresis(name, value, max(_MEGA / 10, (value or 0.0) / 10))

    def _gpu_gauges(self, gpu: GpuSample) -> GpuGauges:
        at, damped = f"gpu{gpu.index}/", self._hysteresis
        width = "" if gpu.pcie_width is None else f" ×{gpu.pcie_width}"
        return GpuGauges(
            gpu.index,
            gpu.name,
            damped(f"{at}utilization", gpu.utilization, 5),
            damped(f"{at}memory", gpu.memory, (gpu.memory_total or 0) / 100),
            gpu.memory_total,
            damped(f"{at}temperature", gpu.temperature, 2),
            damped(f"{at}power", gpu.power, 5),
            gpu.power_limit,
            clock=damped(f"{at}clock", gpu.clock, 50),
            clock_max=gpu.clock_max,
            throttle_reasons=None if gpu.throttle is None else ", ".join(gpu.throttle),
            pcie_link=None if gpu.pcie_generation is None else f"gen {gpu.pcie_generation}{width}",
            ecc_errors=gpu.ecc_errors,
            mig_instances=tuple(
                MigInstance(
                    p.index, p.name, damped(f"{at}{p.index}", p.memory, (p.memory_total or 0) / 100), p.memory_total
                )
                for p in gpu.mig
            ),
            is_lost=gpu.lost,
        )


def _recorded_gauges(host: HostSample, gpus: list[GpuSample]) -> dict[str, float | None]:
    """The gauges whose history is recorded, by name."""
    disk = None if host.disk_read is None or host.disk_write is None else host.disk_read + host.disk_write
    net = None if host.net_in is None or host.net_out is None else host.net_in + host.net_out
    gauges: dict[str, float | None] = {"cpu": host.cpu_percent, "memory": host.memory, "disk": disk, "net": net}
    for card in gpus:
        gauges |= {f"gpu{card.index}/utilization": card.utilization, f"gpu{card.index}/memory": card.memory}
    return gauges


def _load_averages(tenths: tuple[float | None, ...]) -> tuple[float, float, float]:
    one, five, fifteen = ((value or 0.0) / 10 for value in tenths)
    return one, five, fifteen
