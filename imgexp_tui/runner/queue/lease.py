"""Acquires and releases a run's GPUs on this machine, for its supervisor."""

from __future__ import annotations

import os
from collections.abc import Mapping

from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.records.documents import Request
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.queue.gpu_load import GpuLoadSampler
from imgexp_tui.runner.queue.queue import NotInQueue, Queue
from imgexp_tui.runner.queue.scheduler import Ticket

POLL_INTERVAL = 1.0
"""Seconds between two checks of the queue: a holder that crashed sends no wake signal."""


class Lease:
    """The place of one attempt of a run.

    Attributes:
        gpus: the GPUs that the run has; () while it waits, or if it needs none.
    """

    def __init__(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> None:
        self._queue = Queue()
        self._gpu_loads = GpuLoadSampler()
        self.gpus: tuple[int, ...] = ()
        self._ticket = Ticket(
            uuid=request.uuid,
            version=run.version,
            run=run.run_id,
            path=os.fspath(run.path),
            supervisor=supervisor,
            gpus=request.gpus,
            gpu_memory=request.gpu_memory,
            slots=request.slots,
            allowed=allowed_gpus(request, os.environ),
        )
        self._queue.join(self._ticket)

    def try_acquire(self) -> str:
        """Returns why the run has to wait; "" once it has its place.

        Raises:
            QueueError: the queue cannot be used.
        """
        try:
            gpus_or_reason = self._queue.try_acquire(self._ticket.uuid, self._gpu_loads)
        except NotInQueue:  # somebody removed the file
            self._queue.join(self._ticket)
            gpus_or_reason = self._queue.try_acquire(self._ticket.uuid, self._gpu_loads)
        if isinstance(gpus_or_reason, str):
            return gpus_or_reason
        self.gpus = gpus_or_reason
        return ""

    def release(self) -> None:
        """Leaves the queue, whether or not the run got its place."""
        self._queue.leave(self._ticket.uuid)


def allowed_gpus(request: Request, environ: Mapping[str, str]) -> tuple[int, ...] | None:
    """Returns the GPUs that a run may use: `device = "cuda:1"` names one, CUDA_VISIBLE_DEVICES some; None for any."""
    kind, _, index = str(request.config.get("device", "")).partition(":")
    if request.trainer == "shipped" and kind == "cuda" and index.isdecimal():
        return (int(index),)
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    by_uuid = GpuSampler().uuids()
    indices: list[int] = []
    for word in (w.strip() for w in visible.split(",")):
        if word.isdecimal():
            indices.append(int(word))
        else:
            indices += [i for i, uuid in by_uuid.items() if word and uuid.startswith(word)]
    return tuple(indices)
