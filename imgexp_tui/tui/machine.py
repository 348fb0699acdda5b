"""The machine's gauges, held still: a value moves only when it has changed enough to matter.

Whole percents of an idle machine dance all the time; shown as they are, a still screen would send bytes for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU; None where it does not tell. Percent, bytes, °C, W."""

    index: int
    name: str
    utilization: float | None
    memory: float | None
    memory_total: float | None
    temperature: float | None
    power: float | None
    power_limit: float | None


@dataclass(frozen=True, slots=True)
class Machine:
    """Percent of all cores, bytes, GPUs."""

    cpu: float
    cores: int
    memory: float
    memory_total: float
    cards: tuple[Card, ...]


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

    def look(self) -> Machine:
        """The gauges now."""
        host, held = self._host.sample(), self._held
        memory = held("memory", host.memory, host.memory_total / 100)
        cpu = held("cpu", host.cpu_percent, 5)
        cards = []
        for gpu in self._gpu.sample():
            at = f"gpu{gpu.index}/"
            cards.append(
                Card(
                    gpu.index,
                    gpu.name,
                    held(f"{at}utilization", gpu.utilization, 5),
                    held(f"{at}memory", gpu.memory, (gpu.memory_total or 0) / 100),
                    gpu.memory_total,
                    held(f"{at}temperature", gpu.temperature, 2),
                    held(f"{at}power", gpu.power, 5),
                    gpu.power_limit,
                )
            )
        return Machine(cpu or 0.0, max(1, len(host.per_core)), memory or 0.0, host.memory_total, tuple(cards))
