"""Defines the host of a supervisor, `Host`: this machine (`LocalHost`), or a job of a cluster (`JobHost`)."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import Protocol

from imgexp_tui.notebook.schema.launchers import LAUNCHERS, LOCAL
from imgexp_tui.records.documents import Request
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.base import Eviction, Job
from imgexp_tui.runner.queue.lease import Lease
from imgexp_tui.runner.signals import signal_name
from imgexp_tui.runner.supervisor.attempt import StartRefused, claim_attempt, claim_attempt_in_job
from imgexp_tui.runner.supervisor.outcome import STOPPED_EXIT_CODE
from imgexp_tui.runner.supervisor.wakeup import Wakeup

_STOP_MARK_INTERVAL = 2.0
"""Seconds between two polls for a request to stop in the run's folder."""
_EVICTION_SIGNAL_TIMEOUT = 2.0
"""Seconds for a signal that has reached the trainer to reach the supervisor too."""


class Host(Protocol):
    """Where a supervisor and its trainer run.

    Attributes:
        wakeup: wakes the supervisor, and holds what signals asked it to do.
        caller_waits: whether the process that started the supervisor waits for its first word.
        trainer_ends_with_supervisor: whether the trainer is sent SIGTERM when the supervisor dies.
        poll_interval: seconds after which the supervisor has to look for a request to stop; infinite where signals do.
    """

    wakeup: Wakeup
    caller_waits: bool
    trainer_ends_with_supervisor: bool
    poll_interval: float

    @property
    def launcher(self) -> str:
        """Returns the launcher and job, as `Process` holds them."""

    @property
    def gpus(self) -> tuple[int, ...]:
        """Returns the GPUs that the run has, in the driver's order; () before it has any, and where it needs none."""

    @property
    def gpus_to_show(self) -> tuple[int, ...]:
        """Returns the GPUs that the trainer's environment has to name; () where the host shows no others anyway."""

    def claim_attempt(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> int:
        """Claims the number of this attempt, which no other supervisor has: whoever creates its file first.

        Raises:
            StartRefused: the run is for another launcher to start, is under way, or is about to be.
            OSError: the file cannot be written.
        """

    def prepare(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> None:
        """Asks for a place for the trainer; called once, before `try_acquire`.

        Raises:
            QueueError: the queue cannot be used.
        """

    def try_acquire(self) -> str:
        """Returns why the trainer has to wait; "" once it has its place.

        Raises:
            QueueError: the queue cannot be used.
        """

    def release(self) -> None:
        """Gives the place back."""

    def stop_mark_exists(self) -> bool:
        """Whether somebody asked to stop by other means than a signal."""

    def clear_stop_mark(self) -> None:
        """Removes that request: it was answered.

        Raises:
            OSError: it cannot be removed.
        """

    def describe_eviction(self) -> str:
        """Returns who ends the run without having been asked to, for people."""

    def wait_for_eviction_signal(self, wait_status: int) -> None:
        """Waits a little where the trainer's end looks like an eviction whose signal has not reached this process yet.

        Args:
            wait_status: of the trainer, as `waitpid` gives it.
        """

    def eviction(self) -> Eviction | None:
        """Returns what the eviction means; None where the run was not evicted."""


class LocalHost:
    """This machine: the run waits in the queue for its GPUs, and only signals ask it to stop."""

    launcher = LOCAL.name
    caller_waits = True
    trainer_ends_with_supervisor = False
    poll_interval = math.inf

    def __init__(self) -> None:
        self.wakeup = Wakeup()
        self._lease: Lease | None = None

    @property
    def gpus(self) -> tuple[int, ...]:
        return self._lease.gpus if self._lease else ()

    @property
    def gpus_to_show(self) -> tuple[int, ...]:
        return self.gpus

    def claim_attempt(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> int:
        launcher = LAUNCHERS.get(request.launcher)
        if launcher and launcher.has_jobs:
            raise StartRefused(f"the run's launcher is {request.launcher}; start it by: imgexp-tui resume")
        return claim_attempt(run, request, supervisor)

    def prepare(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> None:
        self._lease = Lease(run, request, supervisor)

    def try_acquire(self) -> str:
        return self._lease.try_acquire() if self._lease else ""

    def release(self) -> None:
        if self._lease:
            self._lease.release()

    def stop_mark_exists(self) -> bool:
        return False

    def clear_stop_mark(self) -> None:
        pass

    def describe_eviction(self) -> str:
        return ""

    def wait_for_eviction_signal(self, wait_status: int) -> None:
        pass

    def eviction(self) -> None:
        return None


class JobHost:
    """A job of a cluster, which has given the run its place and GPUs already and may take them back."""

    caller_waits = False
    trainer_ends_with_supervisor = True  # else it would go on outside of what the cluster gave and counts
    poll_interval = _STOP_MARK_INTERVAL

    def __init__(self, job: Job) -> None:
        self.wakeup = Wakeup(job.eviction_signals)
        self._job = job

    @property
    def launcher(self) -> str:
        return f"{self._job.schema.name} {self._job.job_id}"

    @property
    def gpus(self) -> tuple[int, ...]:
        return self._job.gpus

    @property
    def gpus_to_show(self) -> tuple[int, ...]:
        return ()

    def claim_attempt(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> int:
        return claim_attempt_in_job(run, supervisor)

    def prepare(self, run: RunDir, request: Request, supervisor: ProcessIdentity) -> None:
        self._job.read_restart_count()

    def try_acquire(self) -> str:
        return ""

    def release(self) -> None:
        pass

    def stop_mark_exists(self) -> bool:
        return self._job.stop_requested()

    def clear_stop_mark(self) -> None:
        self._job.clear_stop_request()

    def describe_eviction(self) -> str:
        return f"{self._job.schema.title} takes the job back ({signal_name(self.wakeup.eviction_signal)})"

    def wait_for_eviction_signal(self, wait_status: int) -> None:
        """As `Host` says. A cluster signals all processes of a job; the trainer's end may be seen before the signal."""
        code = os.waitstatus_to_exitcode(wait_status)
        end = time.monotonic() + _EVICTION_SIGNAL_TIMEOUT
        while code in (-signal.SIGTERM, STOPPED_EXIT_CODE) and not (
            self.wakeup.eviction_signal or self.wakeup.stop_requested or self.stop_mark_exists()
        ):
            if time.monotonic() >= end:
                return
            self.wakeup.wait(end - time.monotonic())

    def eviction(self) -> Eviction | None:
        signum = self.wakeup.eviction_signal
        return self._job.explain_eviction(signum) if signum else None
