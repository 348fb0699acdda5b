"""Command `queue`: lists what runs and what waits on this machine, in every lab of this user, or moves a run."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from imgexp_tui.cli.common import format_table, lab_from
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.queue.queue import Queue, QueueError
from imgexp_tui.runner.supervisor.trainer_process import lab_of_run
from imgexp_tui.services.queue import QueuedRun, queued_runs


def queue(arguments: Namespace) -> int:
    """Lists the queue, or moves one run in it."""
    if arguments.run is None and arguments.places is not None:
        raise CommandError("which run is to be moved? Such as: imgexp-tui queue v3 --first", 2)
    try:
        if arguments.run is not None:
            _move_run(arguments)
        queued = queued_runs()
    except QueueError as error:
        raise CommandError(str(error)) from None
    rows = [_json_row(place, run) for place, run in enumerate(queued, 1)]
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        return print_json(rows)
    if not rows:
        print("nothing runs and nothing waits; start something with: imgexp-tui run VERSION")
        return 0
    texts = [[str(r["place"]), f"{r['version']}/{r['run']}", r["state"], r["lab"], r["evidence"]] for r in rows]
    print(format_table([["", "run", "state", "lab", "evidence"], *texts], last_width=120))
    return 0


def _move_run(arguments: Namespace) -> None:
    if arguments.places is None:
        raise CommandError(f"where to? Such as: imgexp-tui queue {arguments.run} --first", 2)
    tickets = [t for t in Queue().tickets() if t.held is None]
    named = [t for t in tickets if arguments.run in (t.run, t.name)]
    if not named:
        lab = lab_from(arguments).resolve()
        own_tickets = [t for t in tickets if lab_of_run(RunDir(Path(t.path))).resolve() == lab]
        named = [t for t in own_tickets if t.version == arguments.run] or [
            t for t in own_tickets if t.run.startswith(arguments.run)
        ]
    if not named:
        raise CommandError(f"no run {arguments.run} waits; see the queue with: imgexp-tui queue")
    if len({t.uuid for t in named}) > 1:
        names = ", ".join(t.name for t in named)
        raise CommandError(f"{arguments.run} could mean {names}; give more of the id")
    Queue().move(named[0].uuid, arguments.places)


def _json_row(position: int, queued: QueuedRun) -> dict[str, Any]:
    ticket = queued.ticket
    return {
        "place": position,
        "run": ticket.run,
        "version": ticket.version,
        "lab": str(queued.lab),
        "state": queued.status.state.value,
        "evidence": queued.status.evidence,
        "gpus": list(ticket.held or ()),
        "waiting": queued.is_waiting,
        "path": ticket.path,
    }
