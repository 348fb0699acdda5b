"""The queue of this machine as the screen shows it, as immutable plain data, and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import status
from imgexp_tui.runner.queue.queue import Queue
from imgexp_tui.runner.supervisor.trainer_process import lab_of
from imgexp_tui.text import clean_line, listed
from imgexp_tui.views.runs.version_table import state_span
from imgexp_tui.views.styled import Line, fitting, line, pad

_WIDTHS = (4, 14, 14, 6)
_RUN, _WIDE = 24, 110
"""The run's id, and from which width on it has a column."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that has a place on this machine, or waits for one.

    Attributes:
        here: whether it belongs to the lab that is open.
        waiting: it has no place yet.
        ahead: how many that wait stand before it.
        gpus: indices of the GPUs that it has.
    """

    uuid: str
    version: str
    run: str
    path: str
    lab: str
    here: bool
    state: str
    evidence: str
    waiting: bool
    ahead: int
    seed: int | None
    gpus: tuple[int, ...]


def look(lab: Path) -> tuple[Queued, ...]:
    """Those that run, then those that wait, in the order in which they will start. Blocks on files.

    Raises:
        QueueError: the queue cannot be read.
    """
    found: list[Queued] = []
    ahead, here = 0, lab.resolve()
    for ticket in sorted(Queue().tickets(), key=lambda t: t.held is None):
        run = RunDir(Path(ticket.path))
        how, request, its_lab = status(run), Request.read(run), lab_of(run).resolve()
        waiting = ticket.held is None
        found.append(
            Queued(
                uuid=ticket.uuid,
                version=clean_line(ticket.version),
                run=clean_line(ticket.run),
                path=ticket.path,
                lab=clean_line(its_lab.name),
                here=its_lab == here,
                state=how.state.value,
                evidence=clean_line(how.evidence),
                waiting=waiting,
                ahead=ahead,
                seed=request.seed if request else None,
                gpus=ticket.held or (),
            )
        )
        ahead += waiting
    return tuple(found)


def head(room: int) -> Line:
    """The line above the rows."""
    names = ("", "state", "version", "seed", "run", "what it has, or waits for")
    return _laid_out([line((name, "quiet")) for name in names], room)


def row(one: Queued, room: int) -> Line:
    """One run's line."""
    place = f"{one.ahead + 1}." if one.waiting else ""
    parts = [
        line((f"{place:>3}", "quiet")),
        line(state_span(one.state)),
        line((one.version, "strong" if one.here else "")),
        line((str(one.seed) if one.seed is not None else "", "quiet")),
        line((one.run, "quiet")),
        what(one),
    ]
    return _laid_out(parts, room)


def what(one: Queued) -> Line:
    """Where it runs, or what it waits for; of another lab, which."""
    lab = line() if one.here else line((f"lab {one.lab}", "quiet"))
    if one.waiting:
        return fitting([line(one.evidence), lab], ("  ", ""), 1000)
    numbers = [str(index) for index in one.gpus]
    gpus = line(f"GPU{'s' if len(numbers) > 1 else ''} {listed(numbers)}") if numbers else line("this machine")
    return fitting([gpus, lab], ("  ", ""), 1000)


def _laid_out(parts: Sequence[Line], room: int) -> Line:
    *first, run, last = parts
    out = [span for part, width in zip(first, _WIDTHS, strict=True) for span in pad(part, width)]
    return pad(line(*out, *(pad(run, _RUN) if room >= _WIDE else ()), *last), room)
