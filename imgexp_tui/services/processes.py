"""The processes of this machine as the monitor shows them, as immutable plain data, and as lines.

What dances is held still: shares move by steps, and processes that do next to nothing are left out, so that the table
of a quiet machine stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.process_table import Entry, ProcessTable
from imgexp_tui.records.rundir import RUN_ID, RunDir
from imgexp_tui.runner.supervisor.trainer_process import lab_of
from imgexp_tui.services.machine import Held
from imgexp_tui.text import clean_line, memory
from imgexp_tui.views.styled import Line, line, pad

ORDERS = ("CPU", "memory", "GPU memory")
"""What the table may be ordered by."""
_SHOWN = 100
_BUSY, _LARGE = 2.0, 50e6
"""Percent of a core, or bytes, from which a process is shown at all."""
_STEP, _GRAIN = 5.0, 16e6
"""Percent and bytes in which the figures move."""
_COLUMNS = (("pid", 8), ("user", 9), ("CPU", 7), ("memory", 10), ("GPU", 15), ("run", 14))
_RIGHT = {"pid", "CPU", "memory", "GPU"}
_RUN_COLUMN, _WIDE = 32, 110
_NAMED = 3
"""Cards from which a process's are counted and no longer named."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process as it is shown.

    Attributes:
        gpus: cards that work for it; its memory on them is None where the driver does not tell.
        several: the machine has more cards than one, so that it has to be said which.
        version, run: what it belongs to; "" where it is none of the user's runs.
        path: that run's folder; only of such a run may anything be asked.
        here: it belongs to the lab that is open.
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
    path: str = ""
    here: bool = False
    several: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """One look: the processes in order, and card → bytes a second to and from it."""

    rows: tuple[Running, ...]
    traffic: dict[int, tuple[float | None, float | None]]


class ProcessWatch:
    """Looks at the machine's processes; for one thread at a time."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab.resolve()
        self._table, self._gpu, self._held = ProcessTable(), GpuSampler(), Held()
        self._table.look()

    def look(self, order: str) -> Looked:
        """The processes now, by one of `ORDERS`. Blocks on files, and 40 ms for each GPU."""
        entries = self._table.look(self._gpu.all_processes())
        traffic = self._gpu.traffic()
        several = len(traffic) > 1
        rows = [
            self._running(entry, several=several) for entry in entries if entry.run_dir or entry.gpus or _matters(entry)
        ]
        rows.sort(key=lambda row: (*(-value for value in _rank(row, order)), row.pid))
        return Looked(tuple(rows[:_SHOWN]), traffic)

    def _running(self, entry: Entry, *, several: bool) -> Running:
        at = f"{entry.pid} {entry.start_ticks} "
        run = RunDir(Path(entry.run_dir)) if entry.run_dir else None
        known = run is not None and RUN_ID.fullmatch(run.run)
        return Running(
            pid=entry.pid,
            start_ticks=entry.start_ticks,
            user=clean_line(entry.user),
            cpu=self._held(at + "cpu", entry.cpu_percent, _STEP) or 0.0,
            memory=self._held(at + "memory", entry.memory, _GRAIN) or 0.0,
            gpus=entry.gpus,
            gpu_memory=self._held(at + "gpu", entry.gpu_memory, _GRAIN),
            command=clean_line(entry.command),
            version=clean_line(run.version) if run and known else "",
            run=clean_line(run.run) if run and known else "",
            path=entry.run_dir if known else "",
            here=bool(run and known) and lab_of(RunDir(Path(entry.run_dir))).resolve() == self._lab,
            several=several,
        )


def _matters(entry: Entry) -> bool:
    return entry.cpu_percent >= _BUSY or entry.memory >= _LARGE


def _rank(row: Running, order: str) -> tuple[float, ...]:
    by = {"CPU": round(row.cpu / _STEP), "memory": row.memory, "GPU memory": row.gpu_memory or float(bool(row.gpus))}
    first = by.pop(order)
    return (first, *by.values())


def head(room: int, order: str) -> Line:
    """The line above the rows; what they are ordered by stands out."""
    parts = [line((name, "strong" if name == order.partition(" ")[0] else "quiet")) for name, _ in _COLUMNS]
    return _laid_out([*parts, line(("command", "quiet"))], room)


def row(one: Running, room: int) -> Line:
    """One process's line."""
    own = f"{one.version} {one.run}" if room >= _WIDE else one.version
    parts = [
        line(str(one.pid)),
        line((one.user or "n/a", "" if one.version else "quiet")),
        line(f"{one.cpu:.0f} %" if one.start_ticks else ("n/a", "quiet")),
        line(memory(one.memory) if one.start_ticks else ("n/a", "quiet")),
        line(_gpu_memory(one)),
        line((own.strip(), "live")),
        line((one.command or "not visible from here", "" if one.version else "quiet")),
    ]
    return _laid_out(parts, room)


def _gpu_memory(one: Running) -> str:
    if not one.gpus:
        return ""
    used = "n/a" if one.gpu_memory is None else memory(one.gpu_memory)
    if not one.several:
        return used
    cards = ",".join(map(str, one.gpus)) if len(one.gpus) < _NAMED else f"{len(one.gpus)} GPUs"
    return f"{cards}: {used}"


def _laid_out(parts: Sequence[Line], room: int) -> Line:
    out: list[tuple[str, str]] = []
    for (name, width), part in zip(_COLUMNS, parts, strict=False):
        width = _RUN_COLUMN if name == "run" and room >= _WIDE else width
        laid = pad(part, width - 1)
        if name in _RIGHT:
            text = "".join(span[0] for span in part)
            laid = line(" " * max(0, width - 1 - len(text)), *part)
        out += [*laid, (" ", "")]
    return pad(line(*out, *parts[-1]), room)
