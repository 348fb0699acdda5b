"""Draws the machine's gauges on the main screen: one line on a small screen, a panel with bars on a large one.

Without a GPU there is no GPU gauge. The monitor's full screen is drawn in `monitor.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from imgexp_tui.text import clean_line, truncate
from imgexp_tui.views.runs.model import ResourceUsage
from imgexp_tui.views.styled import Line, join_fitting, line

if TYPE_CHECKING:
    from imgexp_tui.views.machine.history import GaugeHistory
    from imgexp_tui.views.machine.model import GpuGauges, Machine

_GIGA = 1024**3
_SEPARATOR = ("  ", "")
_HISTORY_WIDTH, _COLUMNS_PER_CELL = 12, 5
"""Cells of a gauge's history in the panel, and columns of the history per cell: two minutes in all."""


def progress_bar(fraction: float, room: int, role: str) -> Line:
    """A bar of `room` cells for a fraction of 0 to 1: a heavy line, then a light one, readable without colours."""
    done = min(room, max(0, round(fraction * room)))
    return line(("━" * done, role), ("─" * (room - done), "rest"))


def format_gigabytes(used: float, total: float | None = None) -> str:
    """Format bytes as `2.4/30.1 GB`, or `2.4 GB` without a total. 1 GB is 1024³ bytes here."""
    return f"{used / _GIGA:.1f}/{total / _GIGA:.1f} GB" if total else f"{used / _GIGA:.1f} GB"


def gauge_line(machine: Machine | None, usage: ResourceUsage | None, room: int) -> Line:
    """The gauges that fit into one line of `room` cells, the most important first."""
    if machine is None:
        return ()
    parts = [
        _labelled("CPU", f"{machine.cpu:.0f} %"),
        _labelled("memory", format_gigabytes(machine.memory, machine.memory_total)),
    ]
    for gpu in machine.gpus:
        name = "GPU" if len(machine.gpus) == 1 else f"GPU {gpu.index}"
        parts.append(_labelled(name, "lost" if gpu.is_lost else "  ".join(_gpu_figures(gpu))))
    if machine.problem:
        parts.append(line((machine.problem, "quiet")))
    if usage:
        parts.append(_labelled("this run", _format_usage(usage)))
    return line(" ", *join_fitting(parts, _SEPARATOR, room - 1))


def gauge_panel(machine: Machine | None, usage: ResourceUsage | None, room: int) -> list[Line]:
    """The gauges with bars, one per line, and the run's own usage."""
    if machine is None:
        return []
    histories = machine.histories
    rows = [
        _gauge_row(
            "CPU",
            machine.cpu,
            100,
            f"{machine.cpu:.0f} % of {_format_cores(machine.cores)}",
            room,
            histories.get("cpu"),
        ),
        _gauge_row(
            "memory",
            machine.memory,
            machine.memory_total,
            format_gigabytes(machine.memory, machine.memory_total),
            room,
            histories.get("memory"),
        ),
    ]
    for gpu in machine.gpus:
        rows += _gpu_lines(gpu, "GPU" if len(machine.gpus) == 1 else f"GPU {gpu.index}", room, histories)
    if machine.problem:
        rows.append(line((machine.problem, "quiet")))
    if usage:
        rows += [(), line((f"{'this run':<10}", "quiet"), _format_usage(usage))]
    return rows


def _gpu_lines(gpu: GpuGauges, name: str, room: int, histories: Mapping[str, GaugeHistory]) -> list[Line]:
    rows, at = [], f"gpu{gpu.index}/"
    if gpu.utilization is not None:
        rest = "  ".join(_gpu_figures(gpu)[2:])
        text = f"{gpu.utilization:.0f} %  {rest}".rstrip()
        rows.append(_gauge_row(name, gpu.utilization, 100, text, room, histories.get(f"{at}utilization")))
    if gpu.memory is not None and gpu.memory_total:
        text = format_gigabytes(gpu.memory, gpu.memory_total)
        label = "  memory" if rows else name
        rows.append(_gauge_row(label, gpu.memory, gpu.memory_total, text, room, histories.get(f"{at}memory")))
    what = "is lost" if gpu.is_lost else "tells nothing"
    return rows or [line((f"{name:<10}", "quiet"), (f"{truncate(clean_line(gpu.name), 24)} {what}", "quiet"))]


def _gpu_figures(gpu: GpuGauges) -> list[str]:
    """Utilization, memory, temperature and power, in this order.

    The first two are "" where they are unknown; the others are left out.
    """
    power = None
    if gpu.power is not None:
        power = f"{gpu.power:.0f}/{gpu.power_limit:.0f} W" if gpu.power_limit else f"{gpu.power:.0f} W"
    figures = [
        "" if gpu.utilization is None else f"{gpu.utilization:.0f} %",
        "" if gpu.memory is None else format_gigabytes(gpu.memory, gpu.memory_total),
        None if gpu.temperature is None else f"{gpu.temperature:.0f} °C",
        power,
    ]
    return [text for text in figures if text is not None]


def _gauge_row(label: str, value: float, maximum: float, text: str, room: int, history: GaugeHistory | None) -> Line:
    """A label, a bar, the gauge's history where there is room for it, and the values."""
    from imgexp_tui.views.machine.history import history_sparkline

    share = value / maximum if maximum else 0.0
    role = "warn" if share >= 0.95 else "live"
    bar = line(
        *progress_bar(share, _HISTORY_WIDTH, role),
        " ",
        history_sparkline(history, _HISTORY_WIDTH, maximum, _COLUMNS_PER_CELL),
    )
    if room < 10 + 2 * _HISTORY_WIDTH + 2 + 25:
        bar = progress_bar(share, max(6, min(28, room - 10 - 26)), role)
    return line((f"{label:<10}", "quiet"), *bar, "  ", text)


def _labelled(label: str, text: str) -> Line:
    return line((f"{label} ", "quiet"), text) if text.strip() else ()


def _format_usage(usage: ResourceUsage) -> str:
    parts = [f"{usage.cpu:.0f} % CPU", format_gigabytes(usage.memory)]
    if usage.gpu_memory is not None:
        parts.append(f"{format_gigabytes(usage.gpu_memory)} GPU")
    parts.append("1 process" if usage.processes == 1 else f"{usage.processes} processes")
    return "  ".join(parts)


def _format_cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
