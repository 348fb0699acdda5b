"""Samples the processes of this machine for the monitor.

Values change in steps and nearly idle processes are left out, so the table of a quiet machine stays unchanged.
"""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.process_table import ProcessInfo, ProcessTable
from imgexp_tui.records.rundir import RUN_ID, RunDir
from imgexp_tui.runner.supervisor.trainer_process import lab_of_run
from imgexp_tui.services.machine import GaugeHysteresis
from imgexp_tui.text import clean_line
from imgexp_tui.views.machine.processes import ProcessRow, ProcessSnapshot

_MAX_ROWS = 100
_MIN_CPU_PERCENT, _MIN_MEMORY = 2.0, 50e6
"""A process is listed from this many percent of a core or this many bytes on."""
_CPU_STEP, _MEMORY_STEP = 5.0, 16e6
"""Percent and bytes by which the displayed values change."""


class ProcessSampler:
    """Samples the machine's processes; for one thread at a time."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab.resolve()
        self._table, self._gpu, self._hysteresis = ProcessTable(), GpuSampler(), GaugeHysteresis()
        self._table.sample()

    def sample(self, order: str) -> ProcessSnapshot:
        """The processes as of now, sorted by one of `SORT_ORDERS`. Blocks on files, and 40 ms for each GPU."""
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
