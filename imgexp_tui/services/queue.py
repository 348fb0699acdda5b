"""Reads the queue of this machine: the runs that hold a place, and those that wait for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import Status, status
from imgexp_tui.runner.queue.queue import Queue
from imgexp_tui.runner.queue.scheduler import Ticket
from imgexp_tui.runner.supervisor.trainer_process import lab_of_run
from imgexp_tui.text import clean_line
from imgexp_tui.views.machine.queue import QueueEntry


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """One ticket of the queue, with the run that it belongs to.

    Attributes:
        lab: the folder of the run's lab, as its record states it.
    """

    ticket: Ticket
    run: RunDir
    lab: Path
    status: Status

    @property
    def is_waiting(self) -> bool:
        """Whether the run has no place yet."""
        return self.ticket.held is None


def queued_runs() -> list[QueuedRun]:
    """The runs that hold a place, then those that wait, in the order in which they will start. Blocks on files.

    Raises:
        QueueError: the queue cannot be read.
    """
    runs = []
    for ticket in sorted(Queue().tickets(), key=lambda ticket: ticket.held is None):
        run = RunDir(Path(ticket.path))
        runs.append(QueuedRun(ticket, run, lab_of_run(run), status(run)))
    return runs


def read_queue(lab: Path) -> tuple[QueueEntry, ...]:
    """The queue as the screen of `lab` shows it, in the order of `queued_runs`. Blocks on files.

    Raises:
        QueueError: the queue cannot be read.
    """
    entries: list[QueueEntry] = []
    ahead, open_lab = 0, lab.resolve()
    for queued in queued_runs():
        ticket, run_lab, request = queued.ticket, queued.lab.resolve(), Request.read(queued.run)
        entries.append(
            QueueEntry(
                uuid=ticket.uuid,
                version=clean_line(ticket.version),
                run=clean_line(ticket.run),
                path=ticket.path,
                lab=clean_line(run_lab.name),
                is_in_open_lab=run_lab == open_lab,
                state=queued.status.state.value,
                evidence=clean_line(queued.status.evidence),
                is_waiting=queued.is_waiting,
                runs_ahead=ahead,
                seed=request.seed if request else None,
                gpus=ticket.held or (),
            )
        )
        ahead += queued.is_waiting
    return tuple(entries)
