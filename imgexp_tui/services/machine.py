"""The machine's gauges, held still: a value moves only when it has changed enough to matter.

Whole percents of an idle machine dance all the time; shown as they are, a still screen would send bytes for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.views.machine.history import History
from imgexp_tui.views.machine.model import Card, Machine, Part

if TYPE_CHECKING:
    from imgexp_tui.monitor.samples import GpuSample, HostSample

_MEGA = 1e6


class Held:
    """Remembers what is shown of each gauge."""

    def __init__(self) -> None:
        self._shown: dict[str, float] = {}

    def __call__(self, name: str, value: float | None, least: float) -> float | None:
        """The value to show: the one shown before unless `value` is at least `least` away; rounded to whole ones."""
        if value is None:
            self._shown.pop(name, None)
            return None
        before = self._shown.get(name)
        if before is None or abs(value - before) >= least:
            self._shown[name] = before = float(round(value))
        return before


class MachineWatch:
    """Samples this machine; for one thread. The samplers are imported with the first sample."""

    def __init__(self, lab: Path) -> None:
        from imgexp_tui.monitor.gpu import GpuSampler
        from imgexp_tui.monitor.host import HostSampler

        self._host = HostSampler(lab)
        self._gpu = GpuSampler()
        self._held = Held()
        self._history = History()

    def look(self) -> Machine:
        """The gauges now."""
        host, found, held = self._host.sample(), self._gpu.sample(), self._held
        self._history.add(_gauges(host, found))
        return Machine(
            held("cpu", host.cpu_percent, 5) or 0.0,
            max(1, len(host.per_core)),
            held("memory", host.memory, host.memory_total / 100) or 0.0,
            host.memory_total,
            tuple(self._card(gpu) for gpu in found),
            per_core=tuple(held(f"core{i}", percent, 10) or 0.0 for i, percent in enumerate(host.per_core)),
            load=_load(tuple(held(f"load{i}", 10 * load, 1 + load) for i, load in enumerate(host.load))),
            swap=held("swap", host.swap, host.swap_total / 100) or 0.0,
            swap_total=host.swap_total,
            disk_free=held("disk", host.disk_free, (host.disk_total or 0) / 1000),
            disk_total=host.disk_total,
            disk_read=self._rate("read", host.disk_read),
            disk_write=self._rate("write", host.disk_write),
            net_in=self._rate("in", host.net_in),
            net_out=self._rate("out", host.net_out),
            trouble=self._gpu.trouble,
            past=self._history.past(),
        )

    def _rate(self, name: str, value: float | None) -> float | None:
        """Bytes a second; a tenth more or less, or less than a tenth of a megabyte, is nothing new."""
        return self._held(name, value, max(_MEGA / 10, (value or 0.0) / 10))

    def _card(self, gpu: GpuSample) -> Card:
        at, held = f"gpu{gpu.index}/", self._held
        width = "" if gpu.pcie_width is None else f" ×{gpu.pcie_width}"
        return Card(
            gpu.index,
            gpu.name,
            held(f"{at}utilization", gpu.utilization, 5),
            held(f"{at}memory", gpu.memory, (gpu.memory_total or 0) / 100),
            gpu.memory_total,
            held(f"{at}temperature", gpu.temperature, 2),
            held(f"{at}power", gpu.power, 5),
            gpu.power_limit,
            clock=held(f"{at}clock", gpu.clock, 50),
            clock_max=gpu.clock_max,
            throttle=None if gpu.throttle is None else ", ".join(gpu.throttle),
            link=None if gpu.pcie_generation is None else f"gen {gpu.pcie_generation}{width}",
            ecc=gpu.ecc_errors,
            parts=tuple(
                Part(p.index, p.name, held(f"{at}{p.index}", p.memory, (p.memory_total or 0) / 100), p.memory_total)
                for p in gpu.mig
            ),
            lost=gpu.lost,
        )


def _gauges(host: HostSample, cards: list[GpuSample]) -> dict[str, float | None]:
    """What has a past."""
    disk = None if host.disk_read is None or host.disk_write is None else host.disk_read + host.disk_write
    net = None if host.net_in is None or host.net_out is None else host.net_in + host.net_out
    found: dict[str, float | None] = {"cpu": host.cpu_percent, "memory": host.memory, "disk": disk, "net": net}
    for card in cards:
        found |= {f"gpu{card.index}/utilization": card.utilization, f"gpu{card.index}/memory": card.memory}
    return found


def _load(tenths: tuple[float | None, ...]) -> tuple[float, float, float]:
    one, five, fifteen = ((value or 0.0) / 10 for value in tenths)
    return one, five, fifteen
