"""The queue of a machine: every run of this user that waits for a place on it, or has one. No daemon.

It is a file in this user's state folder, a list of tickets in order, changed under a lock that the kernel takes back
from whoever dies with it. A ticket counts as long as its run has a living process; so a crashed owner's place is free
at once, and nothing is left after a reboot. All labs of a user share it: they share the GPUs.
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
"""Sent to the supervisors that wait when something has changed."""
_LOCK_TIMEOUT = 10.0
_LOCK_POLL_INTERVAL = 0.02


class QueueError(Exception):
    """One sentence that says why the queue cannot be used."""


class NotInQueue(QueueError):
    """The run does not stand in the queue (any more)."""


class Queue:
    """The queue of this user on this machine."""

    def __init__(self) -> None:
        self._folder = state_home() / "queue" / host()
        self._file = self._folder / "queue.json"

    def tickets(self) -> list[Ticket]:
        """The living tickets, in order.

        Raises:
            QueueError: the queue cannot be read.
        """
        try:
            return [t for t in self._read_tickets() if _has_living_process(t)]
        except OSError as error:
            raise self._queue_error(error) from None

    def join(self, ticket: Ticket) -> None:
        """Stand at the end of the queue.

        Raises:
            QueueError: the queue cannot be written.
        """
        self._update(lambda queue: [*(t for t in queue if t.uuid != ticket.uuid), ticket])

    def try_acquire(self, uuid: str, gpu_loads: GpuLoadSampler) -> tuple[int, ...] | str:
        """Take what the run of `uuid` waits for, if it is its turn; else why it is not.

        Raises:
            Gone: the run does not stand in the queue.
            QueueError: the queue cannot be used.
        """
        queue = self.tickets()
        if isinstance(why := _decide_for(uuid, queue, gpu_loads), str):
            return why  # without the lock: most looks end here
        taken: list[tuple[int, ...] | str] = []

        def grant(queue: list[Ticket]) -> list[Ticket]:
            taken.append(found := _decide_for(uuid, queue, gpu_loads))
            return [replace(t, held=found) if t.uuid == uuid and not isinstance(found, str) else t for t in queue]

        self._update(grant)
        return taken[0]

    def leave(self, uuid: str) -> None:
        """Give back what the run has, and wake those that wait for it."""
        with contextlib.suppress(QueueError):  # a ticket without a living run counts for nothing
            self._update(lambda queue: [t for t in queue if t.uuid != uuid])
        self._wake_waiting()

    def move(self, uuid: str, offset: int) -> None:
        """Let a run that waits step forward (less than 0) or back by so many places among those that wait.

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
        with contextlib.suppress(OSError):  # they look by themselves too, a little later
            for ticket in self._read_tickets():
                if ticket.held is None:
                    send_signals(ticket.supervisor, WAKE_SIGNAL)

    def _update(self, change: Callable[[list[Ticket]], list[Ticket]]) -> None:
        """Replace the queue by what `change` makes of its living tickets, while nobody else does."""
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
        for gone in before:
            if gone not in living:
                _end_leftover_processes(gone)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the queue's lock (man 2 flock)."""
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
    """Whether a process of the ticket's run is there; of one that waits, its supervisor."""
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
    """End what a run without supervisor and trainer has left behind: it would sit on the GPU that is given on."""
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
