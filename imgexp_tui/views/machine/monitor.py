"""Draws the gauges of the monitor's screen: each with its history and its values; unknown values are "n/a"."""

from __future__ import annotations

from collections.abc import Mapping

from imgexp_tui.text import clean_line
from imgexp_tui.views.charts.blocks import block
from imgexp_tui.views.machine.gauges import format_gigabytes, progress_bar
from imgexp_tui.views.machine.history import COLUMN_SECONDS, history_sparkline
from imgexp_tui.views.machine.model import GpuGauges, Machine
from imgexp_tui.views.styled import Line, join_fitting, justify, line

GpuTraffic = Mapping[int, tuple[float | None, float | None]]
_LABEL_WIDTH, _GAP_WIDTH = 10, 2
_FIGURE_WIDTHS = (36, 64)
"""Cells of the values at the right: on a narrow screen, and on a wide one."""
_MAX_HISTORY_WIDTH = 120
_MEGA, _GIGA = 1e6, 1e9
_BUSY_PERCENT = 80.0
"""A core counts as busy from this many percent on."""
_SEPARATOR = ("  ", "")


def title_line(host: str, machine: Machine | None, room: int) -> Line:
    """The title line: the name of the host, and the time that the histories cover."""
    seconds = COLUMN_SECONDS * history_width(room)
    ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    right = line((f"the last {ago} ", "quiet"))
    problem = machine.problem if machine else ""
    return justify(line((" Machine ", "title"), (clean_line(host), "strong"), (f"  {problem}", "quiet")), right, room)


def history_width(room: int) -> int:
    """Width of each gauge's history in cells."""
    return max(8, min(_MAX_HISTORY_WIDTH, room - _LABEL_WIDTH - _GAP_WIDTH - _figures_width(room)))


def gauge_lines(machine: Machine | None, traffic: GpuTraffic, room: int) -> list[Line]:
    """The lines of all gauges.

    Args:
        traffic: GPU index → bytes per second to and from it; None where they are unknown.
    """
    if machine is None:
        return [line(("looking …", "quiet"))]
    rows = [*_host_lines(machine, room)]
    for gpu in machine.gpus:
        rows += _gpu_lines(gpu, machine, traffic, room, is_only_gpu=len(machine.gpus) == 1)
    return rows


def _host_lines(machine: Machine, room: int) -> list[Line]:
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    load = " ".join(f"{value:.1f}" for value in machine.load)
    rows = [
        _gauge_row("CPU", machine, "cpu", 100.0, [_format_percent(machine.cpu), f"of {cores}", f"load {load}"], room),
        *_core_lines(machine, room),
        _gauge_row(
            "memory",
            machine,
            "memory",
            machine.memory_total,
            [
                format_gigabytes(machine.memory, machine.memory_total),
                f"swap {format_gigabytes(machine.swap, machine.swap_total)}" if machine.swap_total else "no swap",
            ],
            room,
        ),
    ]
    disk = [f"read {_format_rate(machine.disk_read)}", f"write {_format_rate(machine.disk_write)}"]
    if machine.disk_free is not None:
        free = f"{machine.disk_free / _GIGA:.1f} GB free"
        # The free space has priority where there is no room for the rates.
        disk = (
            [*disk, free] if _figures_width(room) > _FIGURE_WIDTHS[0] else [free, f"r/w {_format_disk_rates(machine)}"]
        )
    rows.append(_gauge_row("disk", machine, "disk", None, disk, room))
    net = [f"in {_format_rate(machine.net_in)}", f"out {_format_rate(machine.net_out)}"]
    return [*rows, _gauge_row("network", machine, "net", None, net, room)]


def _core_lines(machine: Machine, room: int) -> list[Line]:
    """The load of each core as one block; with more cores than cells, the highest load of neighbouring cores."""
    cores, cells = machine.per_core, history_width(room)
    if len(cores) < 2:
        return []
    each = -(-len(cores) // cells)
    groups = [cores[i : i + each] for i in range(0, len(cores), each)]
    blocks = "".join(block(max(group) / 100) for group in groups)
    busy = sum(core >= _BUSY_PERCENT for core in cores)
    # Aligned left: the blocks are cores, not a history.
    text = f"{busy} of {len(cores)} cores busy"
    return [line(("  cores   ", "quiet"), (f"{blocks:<{cells}}", "live"), " " * _GAP_WIDTH, text)]


def _gpu_lines(gpu: GpuGauges, machine: Machine, traffic: GpuTraffic, room: int, *, is_only_gpu: bool) -> list[Line]:
    name, at = "GPU" if is_only_gpu else f"GPU {gpu.index}", f"gpu{gpu.index}/"
    if gpu.is_lost:
        return [line((f"{name:<{_LABEL_WIDTH}}", "quiet"), (clean_line(gpu.name), ""), (" is lost: no answer", "warn"))]
    power = (
        f"{_format_integer(gpu.power)}/{_format_integer(gpu.power_limit)} W"
        if gpu.power_limit
        else f"{_format_integer(gpu.power)} W"
    )
    heat = f"{_format_integer(gpu.temperature)} °C"
    figures = [_format_percent(gpu.utilization), heat, power if gpu.power is not None else "power n/a"]
    memory = "n/a" if gpu.memory is None else format_gigabytes(gpu.memory, gpu.memory_total)
    rows = [
        _gauge_row(name, machine, f"{at}utilization", 100.0, figures, room),
        _gauge_row("  memory", machine, f"{at}memory", gpu.memory_total, [memory], room),
    ]
    for part in gpu.mig_instances:
        used = "n/a" if part.memory is None else format_gigabytes(part.memory, part.memory_total)
        share = part.memory / part.memory_total if part.memory is not None and part.memory_total else 0.0
        label = f"  MIG {part.index}"
        bar = progress_bar(share, history_width(room), "live")
        rows.append(line((f"{label:<{_LABEL_WIDTH}}", "quiet"), *bar, " " * _GAP_WIDTH, used))
    return [*rows, _detail_line(gpu, traffic.get(gpu.index, (None, None)), room)]


def _detail_line(gpu: GpuGauges, traffic: tuple[float | None, float | None], room: int) -> Line:
    """The rarely needed values of a GPU, the most important first."""
    clock = (
        f"{_format_integer(gpu.clock)}/{_format_integer(gpu.clock_max)} MHz" if gpu.clock is not None else "clock n/a"
    )
    slowed = {None: "throttling n/a", "": "not throttled"}.get(
        gpu.throttle_reasons, f"slowed down by {gpu.throttle_reasons}"
    )
    link = f"PCIe {gpu.pcie_link or 'n/a'}"
    moved = f"in {_format_rate(traffic[0])}, out {_format_rate(traffic[1])}"
    ecc = "ECC n/a" if gpu.ecc_errors is None else f"{gpu.ecc_errors} ECC error{'' if gpu.ecc_errors == 1 else 's'}"
    parts = [
        line((slowed, "warn" if gpu.throttle_reasons else "quiet")),
        line((ecc, "warn" if gpu.ecc_errors else "quiet")),
        *(line((text, "quiet")) for text in (clock, link, moved, clean_line(gpu.name))),
    ]
    return line(" " * _LABEL_WIDTH, *join_fitting(parts, _SEPARATOR, room - _LABEL_WIDTH))


def _gauge_row(label: str, machine: Machine, name: str, maximum: float | None, figures: list[str], room: int) -> Line:
    """A gauge's label, its history, and as many of its values as fit.

    Args:
        maximum: the value of the highest block; None scales to the highest value, at least 1 MB/s.
    """
    history = machine.histories.get(name)
    text = join_fitting(
        [line(figure) for figure in figures], _SEPARATOR, room - _LABEL_WIDTH - history_width(room) - _GAP_WIDTH
    )
    values = history_sparkline(
        history, history_width(room), maximum or max(_MEGA, history.highest(history_width(room)) if history else 0.0)
    )
    return line((f"{label:<{_LABEL_WIDTH}}", "quiet"), (values, "live"), " " * _GAP_WIDTH, *text)


def _figures_width(room: int) -> int:
    least, most = _FIGURE_WIDTHS
    return least if room < 110 else most


def _format_percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:3.0f} %"


def _format_integer(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f}"


def _format_disk_rates(machine: Machine) -> str:
    """Format bytes read and written per second, in short."""
    if machine.disk_read is None or machine.disk_write is None:
        return "n/a"
    return f"{machine.disk_read / _MEGA:.0f}/{machine.disk_write / _MEGA:.0f} MB/s"


def _format_rate(value: float | None) -> str:
    return "n/a" if value is None else f"{value / _MEGA:.1f} MB/s"
