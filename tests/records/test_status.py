"""States, as files and processes show them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from imgexp_tui.records import status
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir, create_run_dir, find_runs
from imgexp_tui.records.status import State


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = create_run_dir(tmp_path, "v0")
    request(made).write(made)
    return made


@pytest.fixture
def alive() -> Iterator[ProcessIdentity]:
    """A process that lives as long as the test."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = identity_of(child.pid)
    assert found
    yield found
    child.kill()
    child.communicate()


@pytest.fixture
def dead() -> ProcessIdentity:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = identity_of(child.pid)
    assert found
    child.kill()
    child.communicate()
    return found


def request(run: RunDir, created: float | None = None) -> Request:
    created = time.time() if created is None else created
    return Request("u", run.run_id, run.version, None, {}, ["true"], "command", 0, "/", "h", "me", created)


def process(
    run: RunDir, *, supervisor: ProcessIdentity | None = None, trainer: ProcessIdentity | None = None, attempt: int = 1
) -> None:
    Process("u", attempt, supervisor, trainer, time.time()).write(run)


def ended(run: RunDir, cause: str = "finished", attempt: int = 1) -> None:
    Exit("u", attempt, 0, None, cause, "exit code 0", time.time()).write(run)


def test_a_run_that_was_just_asked_for_is_queued_and_soon_lost(run: RunDir) -> None:
    assert status.status(run).state is State.QUEUED
    assert status.status(run, now=time.time() + 60).state is State.LOST


def test_alive_is_running_and_silent_is_no_heartbeat(
    run: RunDir, alive: ProcessIdentity, dead: ProcessIdentity
) -> None:
    process(run, supervisor=alive, trainer=alive)
    assert status.status(run).state is State.RUNNING
    found = status.status(run, now=time.time() + 300)
    assert found.state is State.NO_HEARTBEAT and found.state.live
    assert "5m" in found.evidence
    run.log.touch()
    assert status.status(run).state is State.RUNNING
    process(run, supervisor=dead, trainer=alive)
    found = status.status(run)
    assert found.state is State.RUNNING and "supervisor is gone" in found.evidence


def test_how_long_silence_may_last_is_the_labs_choice(tmp_path: Path, alive: ProcessIdentity) -> None:
    run = create_run_dir(tmp_path, "v0")
    replace(request(run), heartbeat=1000.0).write(run)
    process(run, supervisor=alive, trainer=alive)
    assert status.status(run, now=time.time() + 900).state is State.RUNNING
    assert status.status(run, now=time.time() + 1100).state is State.NO_HEARTBEAT


def test_nothing_is_finished_without_its_exit(run: RunDir, dead: ProcessIdentity) -> None:
    process(run, supervisor=dead, trainer=dead)
    assert status.status(run).state is State.LOST
    ended(run)
    assert status.status(run).state is State.FINISHED


def test_a_reused_pid_is_not_the_process(run: RunDir, alive: ProcessIdentity) -> None:
    other = replace(alive, start_ticks=alive.start_ticks - 1)
    process(run, supervisor=other, trainer=other)
    assert status.status(run).state is State.LOST


def test_nothing_runs_after_a_reboot(run: RunDir, alive: ProcessIdentity) -> None:
    before = replace(alive, boot_id="11111111-2222-3333-4444-555555555555")
    process(run, supervisor=before, trainer=before)
    found = status.status(run)
    assert found.state is State.LOST and "started anew" in found.evidence


def test_a_zombie_does_not_run(run: RunDir) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = identity_of(child.pid)
    assert found and not found.is_alive()
    child.wait()


def test_another_machine_is_believed_by_its_heartbeat_alone(run: RunDir, dead: ProcessIdentity) -> None:
    there = replace(dead, host="gpu-box")
    process(run, supervisor=there, trainer=there)
    found = status.status(run)
    assert found.state is State.RUNNING and "gpu-box" in found.evidence
    assert status.status(run, now=time.time() + 300).state is State.NO_HEARTBEAT


def test_the_end_of_a_former_attempt_is_superseded(run: RunDir, alive: ProcessIdentity, dead: ProcessIdentity) -> None:
    ended(run, "stopped", attempt=1)
    process(run, supervisor=alive, trainer=alive, attempt=2)
    found = status.status(run)
    assert (found.state, found.attempt) == (State.RUNNING, 2)
    process(run, supervisor=dead, trainer=dead, attempt=2)
    assert status.status(run).state is State.LOST
    ended(run, "finished", attempt=2)
    assert (status.status(run).state, status.status(run).attempt) == (State.FINISHED, 2)


def test_an_end_written_while_one_looks_is_seen(
    run: RunDir, dead: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor writes and leaves between the look at its file and the look at its process."""
    process(run, supervisor=dead, trainer=dead)
    look = ProcessIdentity.is_alive

    def alive(self: ProcessIdentity) -> bool:
        ended(run)
        return look(self)

    monkeypatch.setattr(ProcessIdentity, "is_alive", alive)
    assert status.status(run).state is State.FINISHED


@pytest.fixture
def there(dead: ProcessIdentity) -> ProcessIdentity:
    return replace(dead, host="gpu-box")


def in_slurm(
    run: RunDir, one: ProcessIdentity | None, *, started: float = 1000.0, waiting: str = "", attempt: int = 1
) -> None:
    Process("u", attempt, one, None if waiting else one, started, "slurm 12", waiting).write(run)


def told(run: RunDir, state_: str, reason: str = "None", *, asked: float = 1010.0, silent: float = 0.0) -> None:
    JobStatus("u", "12", state_, reason, asked, silent).write(run, "slurm")


def old(run: RunDir) -> None:
    """Nothing was written since 1005."""
    for path in (run.metrics, run.system):
        path.touch()
        os.utime(path, (1005, 1005))


def seen(run: RunDir, now: float) -> tuple[State, str]:
    found = status.status(run, now=now)
    return found.state, found.evidence


def test_a_job_that_waits_is_queued_however_long(run: RunDir) -> None:
    in_slurm(run, None, waiting="waits for its Slurm job")
    assert seen(run, 1e9) == (State.QUEUED, "waits for Slurm job 12")
    told(run, "PENDING", "Resources")
    assert seen(run, 1e9) == (State.QUEUED, "Slurm job 12 pending: Resources")
    told(run, "REQUEUE_HOLD", "job_requeued\x1b[31m_in_held_state")
    assert seen(run, 1e9) == (State.QUEUED, "Slurm job 12 requeue hold: job_requeued_in_held_state")
    told(run, "RUNNING")
    assert seen(run, 1e9) == (State.QUEUED, "Slurm job 12 is starting")


def test_the_files_of_a_running_job_are_believed_over_older_words(run: RunDir, there: ProcessIdentity) -> None:
    in_slurm(run, there, started=1020.0)
    old(run)
    told(run, "PENDING", "Resources", asked=1010.0)
    assert seen(run, 1030.0) == (State.RUNNING, f"Slurm job 12 on gpu-box, pid {there.pid}")
    told(run, "PENDING", "BeginTime", asked=1025.0)  # it was queued again since
    assert seen(run, 1030.0) == (State.QUEUED, "Slurm job 12 pending: BeginTime")


def test_a_job_that_slurm_calls_ended_is_lost_when_no_end_comes(run: RunDir, there: ProcessIdentity) -> None:
    in_slurm(run, there)
    old(run)
    for word, why in (("NODE_FAIL", "Slurm calls job 12 node fail"), ("", "Slurm knows no job 12")):
        told(run, word)
        assert seen(run, 1039.0)[0] is State.RUNNING
        assert seen(run, 1041.0) == (State.LOST, f"ended, exit unknown: {why}")
    os.utime(run.system, (1100, 1100))  # the run goes on, whatever a controller that lost it says
    assert seen(run, 1115.0)[0] is State.RUNNING
    ended(run)
    told(run, "RUNNING", asked=1e6)
    assert seen(run, 1e7)[0] is State.FINISHED


def test_the_end_of_an_earlier_job_says_nothing_of_the_next(run: RunDir) -> None:
    told(run, "COMPLETED", asked=990.0)
    ended(run, "stopped")
    in_slurm(run, None, waiting="waits for its Slurm job", attempt=2)
    assert seen(run, 1e9) == (State.QUEUED, "waits for Slurm job 12")


def test_a_silent_controller_leaves_the_state(run: RunDir, there: ProcessIdentity) -> None:
    since = time.strftime("%H:%M:%S", time.localtime(1050.0))
    in_slurm(run, there)
    told(run, "RUNNING", silent=1050.0)
    assert seen(run, 1060.0)[1].endswith(f"pid {there.pid} (Slurm does not answer since {since})")
    told(run, "PENDING", silent=1050.0)
    assert seen(run, 1e9) == (State.QUEUED, f"Slurm job 12 pending (Slurm does not answer since {since})")


def test_dead_processes_of_a_job_on_this_machine_are_not_running(
    run: RunDir, dead: ProcessIdentity, alive: ProcessIdentity
) -> None:
    in_slurm(run, dead)
    told(run, "RUNNING")
    assert seen(run, 1e9)[0] is State.NO_HEARTBEAT
    in_slurm(run, dead, waiting="waits for Slurm job 12 to start again: its time limit is near")
    assert seen(run, 1e9)[0] is State.QUEUED
    in_slurm(run, alive)
    told(run, "")
    assert seen(run, 1010.0) == (State.RUNNING, f"pid {alive.pid}, Slurm job 12")


def test_what_was_said_of_another_run_or_is_damaged_counts_for_nothing(run: RunDir) -> None:
    in_slurm(run, None, waiting="w")
    JobStatus("another", "13", "CANCELLED", "", 1010.0).write(run, "slurm")
    assert seen(run, 1e9) == (State.QUEUED, "waits for Slurm job 12")
    for content in (b"", b"{", b"[]", b'{"uuid":"u","job":"1","state":"X","reason":"","asked":"x","silent":0}'):
        (run.cache / "slurm.json").write_bytes(content)
        assert seen(run, 1e9) == (State.QUEUED, "waits for Slurm job 12")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", bytes(64), b'{"uuid": 3}', b'{"uuid":"u","attempt":"1","cause":"finished"}'],
)
def test_damaged_documents_are_missing_documents(run: RunDir, content: bytes) -> None:
    for path in (run.process, run.exit):
        path.write_bytes(content)
    assert Process.read(run) is None
    assert Exit.read(run) is None
    assert status.status(run).state is State.QUEUED
    run.request.write_bytes(content)
    assert Request.read(run) is None
    status.status(run)


def test_an_unknown_cause_is_lost_not_a_crash(run: RunDir) -> None:
    ended(run, "abducted")
    found = status.status(run)
    assert found.state is State.LOST and "abducted" in found.evidence
    ended(run, "running")
    assert status.status(run).state is State.LOST


def test_keys_that_a_later_version_adds_are_passed_over(run: RunDir) -> None:
    data = orjson.loads(run.request.read_bytes())
    run.request.write_bytes(orjson.dumps(data | {"new": 1}))
    assert Request.read(run) is not None


def test_a_request_is_written_once(run: RunDir) -> None:
    before = run.request.read_bytes()
    with pytest.raises(FileExistsError):
        request(run, created=1.0).write(run)
    assert run.request.read_bytes() == before


def test_a_lab_whose_name_is_no_utf8_can_be_asked_for(tmp_path: Path) -> None:
    lab = tmp_path / os.fsdecode(b"caf\xe9")
    lab.mkdir()
    made = create_run_dir(lab, "v0")
    replace(request(made), lab=str(lab)).write(made)
    assert Request.read(made) is not None
    assert find_runs(lab) == [made]


def test_runs_are_found_newest_first_and_strangers_are_not(tmp_path: Path) -> None:
    for version, name in (("v0", "20260101-000000-aaaaaa"), ("v1", "20260102-000000-bbbbbb")):
        run = RunDir(tmp_path / "runs" / version / name)
        run.path.mkdir(parents=True)
        request(run).write(run)
    (tmp_path / "runs" / "v0" / "20260103-000000-cccccc").mkdir()  # has no request yet
    (tmp_path / "runs" / "v0" / "old stuff").mkdir()
    (tmp_path / "runs" / "[bold]").mkdir()
    (tmp_path / "runs" / "note.txt").write_text("")
    assert [r.run_id for r in find_runs(tmp_path)] == ["20260102-000000-bbbbbb", "20260101-000000-aaaaaa"]
    assert [r.version for r in find_runs(tmp_path, "v0")] == ["v0"]
    assert find_runs(tmp_path, "v9") == find_runs(tmp_path / "nowhere") == []


def test_run_folders_are_private(tmp_path: Path) -> None:
    path = create_run_dir(tmp_path, "v0").path
    assert [folder.stat().st_mode & 0o777 for folder in (path, path.parent, path.parent.parent)] == [0o700] * 3
