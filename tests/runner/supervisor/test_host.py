"""What differs for a supervisor in a job of a cluster, with a job that no cluster has given."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgexp_tui.notebook.schema.launchers import SLURM
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers.base import Eviction, EvictionOutcome
from imgexp_tui.runner.supervisor import host
from imgexp_tui.runner.supervisor.attempt import StartRefused
from imgexp_tui.runner.supervisor.outcome import STOPPED_EXIT_CODE


class FakeJob:
    """A job that was given GPU 2."""

    schema, job_id, gpus = SLURM, "12", (2,)
    eviction_signals = (signal.SIGTERM, signal.SIGUSR2)

    def __init__(self) -> None:
        self.mark = False

    def read_restart_count(self) -> None: ...

    def stop_requested(self) -> bool:
        return self.mark

    def clear_stop_request(self) -> None:
        self.mark = False

    def explain_eviction(self, signum: int) -> Eviction:
        return Eviction(EvictionOutcome.ASK, "Slurm job 12", f"signal {signum}", str)


class FakeWakeup(SimpleNamespace):
    """Signals that were received; none is handled, so that the test's own process stays as it is."""

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "runs/v0/20261124-081530-3fa2c1")
    run.path.mkdir(parents=True)
    return run


@pytest.fixture
def wakeup(monkeypatch: pytest.MonkeyPatch) -> FakeWakeup:
    made = FakeWakeup(stop_requested=False, eviction_signal=0)
    monkeypatch.setattr(host, "Wakeup", lambda *_: made)
    monkeypatch.setattr(host, "_EVICTION_SIGNAL_TIMEOUT", 0.2)
    return made


def me() -> ProcessIdentity:
    found = identity_of(os.getpid())
    assert found
    return found


def request(launcher: str) -> Request:
    return Request("u", "r", "v0", None, {}, ["x"], "command", 0, "/lab", "host", "me", 1.0, launcher=launcher)


def test_a_job_shows_the_trainer_what_the_cluster_gave(wakeup: FakeWakeup) -> None:
    found = host.JobHost(FakeJob())
    assert (found.launcher, found.gpus, found.gpus_to_show, found.try_acquire()) == ("slurm 12", (2,), (), "")
    assert found.trainer_ends_with_supervisor and not found.caller_waits


def test_a_job_takes_the_attempt_that_was_submitted_and_then_the_next(run: RunDir, wakeup: FakeWakeup) -> None:
    job = host.JobHost(FakeJob())
    Process("u", 3, None, None, 1.0, "slurm", "waits for its Slurm job").write(run)
    assert job.claim_attempt(run, request("slurm"), me()) == 3
    dead = ProcessIdentity(me().pid, 1, me().boot_id, me().host)
    Process("u", 3, dead, None, 1.0, "slurm 12").write(run)
    assert job.claim_attempt(run, request("slurm"), me()) == 4
    Process("u", 4, me(), None, 1.0, "slurm 12").write(run)
    with pytest.raises(StartRefused, match="under way already"):
        job.claim_attempt(run, request("slurm"), me())


def test_a_run_for_a_cluster_is_not_started_on_this_machine(run: RunDir, wakeup: FakeWakeup) -> None:
    with pytest.raises(StartRefused, match="the run's launcher is slurm; start it by: imgexp-tui resume"):
        host.LocalHost().claim_attempt(run, request("slurm"), me())
    assert host.LocalHost().claim_attempt(run, request("local"), me()) == 1


def test_an_end_by_sigterm_waits_for_the_signal_of_an_eviction(wakeup: FakeWakeup) -> None:
    job = host.JobHost(FakeJob())
    for wait_status, waits in ((signal.SIGTERM, True), (STOPPED_EXIT_CODE << 8, True), (0, False), (1 << 8, False)):
        start = time.monotonic()
        job.wait_for_eviction_signal(int(wait_status))
        assert (time.monotonic() - start >= 0.2) is waits
    wakeup.eviction_signal = signal.SIGUSR2
    start = time.monotonic()
    job.wait_for_eviction_signal(signal.SIGTERM)
    assert time.monotonic() - start < 0.2


def test_an_eviction_is_told_only_when_its_signal_came(wakeup: FakeWakeup) -> None:
    job, local = host.JobHost(FakeJob()), host.LocalHost()
    assert job.eviction() is None and local.eviction() is None
    wakeup.eviction_signal = signal.SIGUSR2
    found = job.eviction()
    assert found and found.reason == f"signal {int(signal.SIGUSR2)}" and local.eviction() is None
    assert job.describe_eviction() == "Slurm takes the job back (SIGUSR2)"


def test_a_request_to_stop_is_a_mark_in_a_job_and_a_signal_here(wakeup: FakeWakeup) -> None:
    fake = FakeJob()
    job = host.JobHost(fake)
    assert not job.stop_mark_exists() and not host.LocalHost().stop_mark_exists()
    fake.mark = True
    assert job.stop_mark_exists()
    job.clear_stop_mark()
    assert not job.stop_mark_exists()
