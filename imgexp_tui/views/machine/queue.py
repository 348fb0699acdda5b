"""Draws the queue of this machine: its entries as immutable data, and each entry as a styled line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.text import join_names
from imgexp_tui.views.runs.version_table import state_span
from imgexp_tui.views.styled import Line, join_fitting, line, pad

_COLUMN_WIDTHS = (4, 14, 14, 6)
_RUN_WIDTH, _WIDE_FROM = 24, 110
"""Cells of the column with the run's id, and the screen width in cells from which it is displayed."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A run that holds a place on this machine, or waits for one.

    Attributes:
        is_in_open_lab: whether it belongs to the open lab.
        is_waiting: whether it has no place yet.
        runs_ahead: number of waiting runs before it.
        gpus: indices of the GPUs that it holds.
    """

    uuid: str
    version: str
    run: str
    path: str
    lab: str
    is_in_open_lab: bool
    state: str
    evidence: str
    is_waiting: bool
    runs_ahead: int
    seed: int | None
    gpus: tuple[int, ...]


def header_row(room: int) -> Line:
    """The header of the table."""
    names = ("", "state", "version", "seed", "run", "what it has, or waits for")
    return _layout_columns([line((name, "quiet")) for name in names], room)


def format_entry(entry: QueueEntry, room: int) -> Line:
    """The line of one run."""
    place = f"{entry.runs_ahead + 1}." if entry.is_waiting else ""
    parts = [
        line((f"{place:>3}", "quiet")),
        line(state_span(entry.state)),
        line((entry.version, "strong" if entry.is_in_open_lab else "")),
        line((str(entry.seed) if entry.seed is not None else "", "quiet")),
        line((entry.run, "quiet")),
        format_allocation(entry),
    ]
    return _layout_columns(parts, room)


def format_allocation(entry: QueueEntry) -> Line:
    """The GPUs that it holds or what it waits for, and the name of its lab if that is not the open one."""
    lab = line() if entry.is_in_open_lab else line((f"lab {entry.lab}", "quiet"))
    if entry.is_waiting:
        return join_fitting([line(entry.evidence), lab], ("  ", ""), 1000)
    numbers = [str(index) for index in entry.gpus]
    gpus = line(f"GPU{'s' if len(numbers) > 1 else ''} {join_names(numbers)}") if numbers else line("this machine")
    return join_fitting([gpus, lab], ("  ", ""), 1000)


def _layout_columns(parts: Sequence[Line], room: int) -> Line:
    *first, run, last = parts
    out = [span for part, width in zip(first, _COLUMN_WIDTHS, strict=True) for span in pad(part, width)]
    return pad(line(*out, *(pad(run, _RUN_WIDTH) if room >= _WIDE_FROM else ()), *last), room)
