"""The processes of this machine as the monitor shows them, as immutable plain data, and as lines.

What dances is held still: shares move by steps, and processes that do next to nothing are left out, so that the table
of a quiet machine stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.process_table import ProcessInfo, ProcessTable
from imgexp_tui.records.rundir import RUN_ID, RunDir
from imgexp_tui.runner.supervisor.trainer_process import lab_of_run
from imgexp_tui.services.machine import GaugeHysteresis
from imgexp_tui.text import clean_line, format_memory
from imgexp_tui.views.styled import Line, line, pad

SORT_ORDERS = ("CPU", "memory", "GPU memory")
"""What the table may be ordered by."""
_MAX_ROWS = 100
_MIN_CPU_PERCENT, _MIN_MEMORY = 2.0, 50e6
"""Percent of a core, or bytes, from which a process is shown at all."""
_CPU_STEP, _MEMORY_STEP = 5.0, 16e6
"""Percent and bytes in which the figures move."""
_COLUMNS = (("pid", 8), ("user", 9), ("CPU", 7), ("memory", 10), ("GPU", 15), ("run", 14))
_RIGHT_ALIGNED = {"pid", "CPU", "memory", "GPU"}
_WIDE_RUN_COLUMN, _WIDE_FROM = 32, 110
_MAX_NAMED_GPUS = 3
"""Cards from which a process's are counted and no longer named."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process as it is shown.

    Attributes:
        gpus: cards that work for it; its memory on them is None where the driver does not tell.
        has_several_gpus: the machine has more cards than one, so that it has to be said which.
        version, run: what it belongs to; "" where it is none of the user's runs.
        run_path: that run's folder; only of such a run may anything be asked.
        is_in_open_lab: it belongs to the lab that is open.
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
    """One look: the processes in order, and card → bytes a second to and from it."""

    rows: tuple[ProcessRow, ...]
    traffic: dict[int, tuple[float | None, float | None]]


class ProcessSampler:
    """Looks at the machine's processes; for one thread at a time."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab.resolve()
        self._table, self._gpu, self._hysteresis = ProcessTable(), GpuSampler(), GaugeHysteresis()
        self._table.sample()

    def sample(self, order: str) -> ProcessSnapshot:
        """The processes now, by one of `SORT_ORDERS`. Blocks on files, and 40 ms for each GPU."""
        entries = self._table.sample(self._gpu.all_processes())
        traffic = self._gpu.pcie_rates()
        several = len(traffic) > 1
        rows = [
            self._build_row(entry, has_several_gpus=several)
            for entry in entries
            if entry.run_dir or entry.gpus or _is_notable(entry)
        ]
        rows.sort(key=lambda row: (*(-value for value in _sort_key(row, order)), row.pid))
        return ProcessSnapshot(tuple(rows[:_MAX_ROWS]), traffic)

    def _build_row(self, entry: ProcessInfo, *, has_several_gpus: bool) -> ProcessRow:
        at = f"{entry.pid} {entry.start_ticks} "
        run = RunDir(Path(entry.run_dir)) if entry.run_dir else None
        known = run is not None and RUN_ID.fullmatch(run.run_id)
        return ProcessRow(
            pid=entry.pid,
            start_ticks=entry.start_ticks,
            user=clean_line(entry.user),
            cpu=self._hysteresis(at + "cpu", entry.cpu_percent, _CPU_STEP) or 0.0,
            memory=self._hysteresis(at + "memory", entry.memory, _MEMORY_STEP) or 0.0,
            gpus=entry.gpus,
            gpu_memory=self._hysteresis(at + "gpu", entry.gpu_memory, _MEMORY_STEP),
            command=clean_line(entry.command),
            version=clean_line(run.version) if run and known else "",
            run=clean_line(run.run_id) if run and known else "",
            run_path=entry.run_dir if known else "",
            is_in_open_lab=bool(run and known) and lab_of_run(RunDir(Path(entry.run_dir))).resolve() == self._lab,
            has_several_gpus=has_several_gpus,
        )


def _is_notable(entry: ProcessInfo) -> bool:
    return entry.cpu_percent >= _MIN_CPU_PERCENT or entry.memory >= _MIN_MEMORY


def _sort_key(row: ProcessRow, order: str) -> tuple[float, ...]:
    by = {
        "CPU": round(row.cpu / _CPU_STEP),
        "memory": row.memory,
        "GPU memory": row.gpu_memory or float(bool(row.gpus)),
    }
    first = by.pop(order)
    return (first, *by.values())


def header_row(room: int, order: str) -> Line:
    """The line above the rows; what they are ordered by stands out."""
    parts = [line((name, "strong" if name == order.partition(" ")[0] else "quiet")) for name, _ in _COLUMNS]
    return _layout_columns([*parts, line(("command", "quiet"))], room)


def format_process(process: ProcessRow, room: int) -> Line:
    """One process's line."""
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
        laid = pad(part, width - 1)
        if name in _RIGHT_ALIGNED:
            text = "".join(span[0] for span in part)
            laid = line(" " * max(0, width - 1 - len(text)), *part)
        out += [*laid, (" ", "")]
    return pad(line(*out, *parts[-1]), room)
