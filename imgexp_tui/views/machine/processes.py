"""Draws the monitor's table of processes: its rows as immutable data, and each row as a styled line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.text import format_memory
from imgexp_tui.views.styled import Line, line, pad

SORT_ORDERS = ("CPU", "memory", "GPU memory")
"""The values by which the table can be sorted, highest first."""
_COLUMNS = (("pid", 8), ("user", 9), ("CPU", 7), ("memory", 10), ("GPU", 15), ("run", 14))
_RIGHT_ALIGNED = {"pid", "CPU", "memory", "GPU"}
_WIDE_RUN_COLUMN, _WIDE_FROM = 32, 110
"""Cells of the run column on a wide screen, and the width in cells from which a screen is wide."""
_MAX_NAMED_GPUS = 3
"""From this many GPUs on, a process's GPUs are counted instead of listed."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process in the table; units: percent of a core, bytes.

    Attributes:
        gpus: indices of the GPUs that it uses.
        gpu_memory: its memory on these GPUs; None where the driver reports none.
        has_several_gpus: whether the machine has several GPUs, so the indices are shown.
        version, run: the run that it belongs to; "" where it belongs to no run of the user.
        run_path: folder of that run; actions are available for such a process only.
        is_in_open_lab: whether the run belongs to the open lab.
    """

    pid: int
    start_ticks: int
    user: str
    cpu: float
    memory: float
    gpus: tuple[int, ...]
    gpu_memory: float | None
    command: str
    version: str = ""
    run: str = ""
    run_path: str = ""
    is_in_open_lab: bool = False
    has_several_gpus: bool = False


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """The processes at one moment, sorted, and GPU index → bytes per second to and from it."""

    rows: tuple[ProcessRow, ...]
    traffic: dict[int, tuple[float | None, float | None]]


def header_row(room: int, order: str) -> Line:
    """The header; the column that sorts the rows is bold."""
    parts = [line((name, "strong" if name == order.partition(" ")[0] else "quiet")) for name, _ in _COLUMNS]
    return _layout_columns([*parts, line(("command", "quiet"))], room)


def format_process(process: ProcessRow, room: int) -> Line:
    """The line of one process."""
    own = f"{process.version} {process.run}" if room >= _WIDE_FROM else process.version
    parts = [
        line(str(process.pid)),
        line((process.user or "n/a", "" if process.version else "quiet")),
        line(f"{process.cpu:.0f} %" if process.start_ticks else ("n/a", "quiet")),
        line(format_memory(process.memory) if process.start_ticks else ("n/a", "quiet")),
        line(_format_gpu_memory(process)),
        line((own.strip(), "live")),
        line((process.command or "not visible from here", "" if process.version else "quiet")),
    ]
    return _layout_columns(parts, room)


def _format_gpu_memory(process: ProcessRow) -> str:
    if not process.gpus:
        return ""
    used = "n/a" if process.gpu_memory is None else format_memory(process.gpu_memory)
    if not process.has_several_gpus:
        return used
    cards = ",".join(map(str, process.gpus)) if len(process.gpus) < _MAX_NAMED_GPUS else f"{len(process.gpus)} GPUs"
    return f"{cards}: {used}"


def _layout_columns(parts: Sequence[Line], room: int) -> Line:
    out: list[tuple[str, str]] = []
    for (name, width), part in zip(_COLUMNS, parts, strict=False):
        width = _WIDE_RUN_COLUMN if name == "run" and room >= _WIDE_FROM else width
        cell = pad(part, width - 1)
        if name in _RIGHT_ALIGNED:
            text = "".join(span[0] for span in part)
            cell = line(" " * max(0, width - 1 - len(text)), *part)
        out += [*cell, (" ", "")]
    return pad(line(*out, *parts[-1]), room)
