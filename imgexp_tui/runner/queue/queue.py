"""Stores the queue of this machine: all runs of this user that wait for GPUs here, or hold them.

The queue is a file in the user's state folder, an ordered list of tickets. Processes change it under a lock that the
kernel releases when its holder dies, so no daemon is needed. A ticket counts only while its run has a living process: a
crashed run's place is free at once, and a reboot empties the queue. All labs of a user share it, because they share the
GPUs. Which run may start is decided in `scheduler.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui import durable
from imgexp_tui.paths import state_home
from imgexp_tui.records.documents import Process
from imgexp_tui.records.json_bytes import dumps
from imgexp_tui.records.process_identity import ProcessIdentity, host
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.queue.gpu_load import GpuLoadSampler
from imgexp_tui.runner.queue.scheduler import Ticket, decide, run_uuids_by_gpu
from imgexp_tui.runner.signals import send_signals
from imgexp_tui.runner.supervisor.process_cleanup import end_processes, processes_of_run

WAKE_SIGNAL = signal.SIGUSR1
"""The signal that waiting supervisors get when the queue has changed."""
_LOCK_TIMEOUT = 10.0
_LOCK_POLL_INTERVAL = 0.02


class QueueError(Exception):
    """The queue cannot be used; the message is one sentence that says why."""


class NotInQueue(QueueError):
    """The run is not in the queue, or not any more."""


class Queue:
    """The queue of this user on this machine."""

    def __init__(self) -> None:
        self._folder = state_home() / "queue" / host()
        self._file = self._folder / "queue.json"

    def tickets(self) -> list[Ticket]:
        """Returns the tickets with a living process, in order.

        Raises:
            QueueError: the queue cannot be read.
        """
        try:
            return [t for t in self._read_tickets() if _has_living_process(t)]
        except OSError as error:
            raise self._queue_error(error) from None

    def join(self, ticket: Ticket) -> None:
        """Appends `ticket` to the queue.

        Raises:
            QueueError: the queue cannot be written.
        """
        self._update(lambda queue: [*(t for t in queue if t.uuid != ticket.uuid), ticket])

    def try_acquire(self, uuid: str, gpu_loads: GpuLoadSampler) -> tuple[int, ...] | str:
        """Takes the GPUs for the run `uuid` and returns them if it is the run's turn; else returns why it has to wait.

        Raises:
            NotInQueue: the run is not in the queue.
            QueueError: the queue cannot be used.
        """
        queue = self.tickets()
        if isinstance(why := _decide_for(uuid, queue, gpu_loads), str):
            return why  # without the lock: most calls end here
        decisions: list[tuple[int, ...] | str] = []

        def grant(queue: list[Ticket]) -> list[Ticket]:
            decisions.append(decision := _decide_for(uuid, queue, gpu_loads))
            return [replace(t, held=decision) if t.uuid == uuid and not isinstance(decision, str) else t for t in queue]

        self._update(grant)
        return decisions[0]

    def leave(self, uuid: str) -> None:
        """Releases the run's place, and wakes the waiting supervisors."""
        with contextlib.suppress(QueueError):  # a ticket without a living run counts for nothing
            self._update(lambda queue: [t for t in queue if t.uuid != uuid])
        self._wake_waiting()

    def move(self, uuid: str, offset: int) -> None:
        """Moves a waiting run by `offset` places among the waiting runs; negative is forward.

        Raises:
            QueueError: it does not wait, or the queue cannot be written.
        """

        def moved(queue: list[Ticket]) -> list[Ticket]:
            waiting = [t for t in queue if t.held is None]
            at = next((i for i, t in enumerate(waiting) if t.uuid == uuid), None)
            if at is None:
                raise QueueError("it does not wait in the queue")
            ticket = waiting.pop(at)
            waiting.insert(max(0, min(len(waiting), at + offset)), ticket)
            return [*(t for t in queue if t.held is not None), *waiting]

        self._update(moved)
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        with contextlib.suppress(OSError):  # they also poll, a little later
            for ticket in self._read_tickets():
                if ticket.held is None:
                    send_signals(ticket.supervisor, WAKE_SIGNAL)

    def _update(self, change: Callable[[list[Ticket]], list[Ticket]]) -> None:
        """Replaces the queue by `change(living tickets)`, under the lock."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                durable.remove_temporary_files(self._folder)
                before = self._read_tickets()
                living = [t for t in before if _has_living_process(t)]
                if (after := change(living)) != before:
                    durable.replace(self._file, _to_json(after))
        except OSError as error:
            raise self._queue_error(error) from None
        for ended in before:
            if ended not in living:
                _end_leftover_processes(ended)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the queue's lock (man 2 flock)."""
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_TIMEOUT
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise QueueError(
                            f"another process has held {self._folder / 'lock'} for {_LOCK_TIMEOUT:g} s"
                        ) from None
                    time.sleep(_LOCK_POLL_INTERVAL)
            yield
        finally:
            os.close(fd)

    def _queue_error(self, error: OSError) -> QueueError:
        return QueueError(f"the queue cannot be used: {error.strerror}: {error.filename or self._file}")

    def _read_tickets(self) -> list[Ticket]:
        try:
            rows = orjson.loads(self._file.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return []
        return [t for row in rows if (t := _parse_ticket(row))] if isinstance(rows, list) else []


def _decide_for(uuid: str, queue: Sequence[Ticket], gpu_loads: GpuLoadSampler) -> tuple[int, ...] | str:
    me = next((t for t in queue if t.uuid == uuid), None)
    if me is None:
        raise NotInQueue("the run does not stand in the queue")
    return decide(me, queue, gpu_loads.sample(run_uuids_by_gpu(queue)))


def _has_living_process(ticket: Ticket) -> bool:
    """Returns whether a process of the ticket's run is alive; for a waiting run, its supervisor."""
    if ticket.supervisor.is_alive():
        return True
    if ticket.held is None:
        return False
    process = Process.read(RunDir(Path(ticket.path)))
    if process is None or process.uuid != ticket.uuid:
        return bool(processes_of_run(ticket.uuid, None))
    carriers = [one for one in (process.supervisor, process.trainer) if one]
    if process.trainer is None:  # the supervisor may have died before it could name the trainer
        return any(one.is_alive() for one in carriers) or bool(processes_of_run(ticket.uuid, None))
    return any(one.is_alive() for one in carriers)


def _end_leftover_processes(ticket: Ticket) -> None:
    """Ends the leftover processes of a run without supervisor and trainer: they would occupy the freed GPU."""
    if ticket.held is not None:
        process = Process.read(RunDir(Path(ticket.path)))
        trainer = process.trainer if process and process.uuid == ticket.uuid else None
        end_processes(lambda: processes_of_run(ticket.uuid, trainer), graceful=False)


def _to_json(queue: Sequence[Ticket]) -> bytes:
    return dumps([asdict(ticket) for ticket in queue], orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _parse_ticket(row: Any) -> Ticket | None:
    try:
        supervisor = ProcessIdentity.from_json(row["supervisor"])
        if supervisor is None:
            return None
        held, allowed = row["held"], row["allowed"]
        return Ticket(
            uuid=str(row["uuid"]),
            version=str(row["version"]),
            run=str(row["run"]),
            path=str(row["path"]),
            supervisor=supervisor,
            gpus=int(row["gpus"]),
            gpu_memory=int(row["gpu_memory"]),
            slots=int(row["slots"]),
            allowed=None if allowed is None else tuple(map(int, allowed)),
            held=None if held is None else tuple(map(int, held)),
        )
    except (KeyError, TypeError, ValueError):
        return None
