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

from imgexp_tui.records import state
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.identity import Identity, identity
from imgexp_tui.records.rundir import RunDir, create_run_dir, find_runs
from imgexp_tui.records.state import State


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = create_run_dir(tmp_path, "v0")
    request(made).write(made)
    return made


@pytest.fixture
def alive() -> Iterator[Identity]:
    """A process that lives as long as the test."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = identity(child.pid)
    assert found
    yield found
    child.kill()
    child.communicate()


@pytest.fixture
def dead() -> Identity:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = identity(child.pid)
    assert found
    child.kill()
    child.communicate()
    return found


def request(run: RunDir, created: float | None = None) -> Request:
    created = time.time() if created is None else created
    return Request("u", run.run, run.version, None, {}, ["true"], "command", 0, "/", "h", "me", created)


def process(
    run: RunDir, *, supervisor: Identity | None = None, trainer: Identity | None = None, attempt: int = 1
) -> None:
    Process("u", attempt, supervisor, trainer, time.time()).write(run)


def ended(run: RunDir, cause: str = "finished", attempt: int = 1) -> None:
    Exit("u", attempt, 0, None, cause, "exit code 0", time.time()).write(run)


def test_a_run_that_was_just_asked_for_is_queued_and_soon_lost(run: RunDir) -> None:
    assert state.status(run).state is State.QUEUED
    assert state.status(run, now=time.time() + 60).state is State.LOST


def test_alive_is_running_and_silent_is_no_heartbeat(run: RunDir, alive: Identity, dead: Identity) -> None:
    process(run, supervisor=alive, trainer=alive)
    assert state.status(run).state is State.RUNNING
    found = state.status(run, now=time.time() + 300)
    assert found.state is State.NO_HEARTBEAT and found.state.live
    assert "5m" in found.evidence
    run.log.touch()
    assert state.status(run).state is State.RUNNING
    process(run, supervisor=dead, trainer=alive)
    found = state.status(run)
    assert found.state is State.RUNNING and "supervisor is gone" in found.evidence


def test_how_long_silence_may_last_is_the_labs_choice(tmp_path: Path, alive: Identity) -> None:
    run = create_run_dir(tmp_path, "v0")
    replace(request(run), heartbeat=1000.0).write(run)
    process(run, supervisor=alive, trainer=alive)
    assert state.status(run, now=time.time() + 900).state is State.RUNNING
    assert state.status(run, now=time.time() + 1100).state is State.NO_HEARTBEAT


def test_nothing_is_finished_without_its_exit(run: RunDir, dead: Identity) -> None:
    process(run, supervisor=dead, trainer=dead)
    assert state.status(run).state is State.LOST
    ended(run)
    assert state.status(run).state is State.FINISHED


def test_a_reused_pid_is_not_the_process(run: RunDir, alive: Identity) -> None:
    other = replace(alive, start_ticks=alive.start_ticks - 1)
    process(run, supervisor=other, trainer=other)
    assert state.status(run).state is State.LOST


def test_nothing_runs_after_a_reboot(run: RunDir, alive: Identity) -> None:
    before = replace(alive, boot_id="11111111-2222-3333-4444-555555555555")
    process(run, supervisor=before, trainer=before)
    found = state.status(run)
    assert found.state is State.LOST and "started anew" in found.evidence


def test_a_zombie_does_not_run(run: RunDir) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = identity(child.pid)
    assert found and not found.alive()
    child.wait()


def test_another_machine_is_believed_by_its_heartbeat_alone(run: RunDir, dead: Identity) -> None:
    there = replace(dead, host="gpu-box")
    process(run, supervisor=there, trainer=there)
    found = state.status(run)
    assert found.state is State.RUNNING and "gpu-box" in found.evidence
    assert state.status(run, now=time.time() + 300).state is State.NO_HEARTBEAT


def test_the_end_of_a_former_attempt_is_superseded(run: RunDir, alive: Identity, dead: Identity) -> None:
    ended(run, "stopped", attempt=1)
    process(run, supervisor=alive, trainer=alive, attempt=2)
    found = state.status(run)
    assert (found.state, found.attempt) == (State.RUNNING, 2)
    process(run, supervisor=dead, trainer=dead, attempt=2)
    assert state.status(run).state is State.LOST
    ended(run, "finished", attempt=2)
    assert (state.status(run).state, state.status(run).attempt) == (State.FINISHED, 2)


def test_an_end_written_while_one_looks_is_seen(run: RunDir, dead: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor writes and leaves between the look at its file and the look at its process."""
    process(run, supervisor=dead, trainer=dead)
    look = Identity.alive

    def alive(self: Identity) -> bool:
        ended(run)
        return look(self)

    monkeypatch.setattr(Identity, "alive", alive)
    assert state.status(run).state is State.FINISHED


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", bytes(64), b'{"uuid": 3}', b'{"uuid":"u","attempt":"1","cause":"finished"}'],
)
def test_damaged_documents_are_missing_documents(run: RunDir, content: bytes) -> None:
    for path in (run.process, run.exit):
        path.write_bytes(content)
    assert Process.read(run) is None
    assert Exit.read(run) is None
    assert state.status(run).state is State.QUEUED
    run.request.write_bytes(content)
    assert Request.read(run) is None
    state.status(run)


def test_an_unknown_cause_is_lost_not_a_crash(run: RunDir) -> None:
    ended(run, "abducted")
    found = state.status(run)
    assert found.state is State.LOST and "abducted" in found.evidence
    ended(run, "running")
    assert state.status(run).state is State.LOST


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
    assert [r.run for r in find_runs(tmp_path)] == ["20260102-000000-bbbbbb", "20260101-000000-aaaaaa"]
    assert [r.version for r in find_runs(tmp_path, "v0")] == ["v0"]
    assert find_runs(tmp_path, "v9") == find_runs(tmp_path / "nowhere") == []


def test_run_folders_are_private(tmp_path: Path) -> None:
    path = create_run_dir(tmp_path, "v0").path
    assert [folder.stat().st_mode & 0o777 for folder in (path, path.parent, path.parent.parent)] == [0o700] * 3
