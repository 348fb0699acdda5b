"""The supervisor killed, or its disk full or failing, at every single call with which it writes its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from imgexp_tui.monitor.proc import list_pids, read_environment
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.control import resume, stop, wait_for_end
from imgexp_tui.runner.launch import LaunchError, launch
from tests.conftest import NewLab
from tests.helpers import wait_until
from tests.support.armed_supervisors import Supervisors
from tests.support.counting_lab import NOTEBOOK, with_counter

pytestmark = pytest.mark.compiler


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return with_counter(new_lab(NOTEBOOK.format(slots=50), "lab", runs=True))


@pytest.fixture
def supervisors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Supervisors:
    return Supervisors(monkeypatch, tmp_path)


def of_lab(lab: Path) -> list[int]:
    """Processes that belong to any run of the lab, whether or not its folder is still there."""
    mark = b"IMGEXP_RUN_DIR=" + bytes(lab)
    return [pid for pid in list_pids() if any(word.startswith(mark) for word in read_environment(pid))]


@dataclass
class Deed:
    """What became of a launch and, where it worked, of a stop."""

    error: str
    run: RunDir | None


def launched(lab: Path, most: int = 1_000_000) -> Deed:
    try:
        return Deed("", launch(load_notebook(lab), "v0", overrides={"most": most}))
    except LaunchError as error:
        return Deed(str(error), None)


def counts(run: RunDir) -> int:
    return len(jsonl.read_records(run.metrics))


def whole(run: RunDir) -> None:
    """Each document is not there or can be read in full."""
    for path, read in ((run.process, Process.read), (run.exit, Exit.read)):
        assert not path.exists() or read(run) is not None, path.read_bytes()
        assert not path.exists() or orjson.loads(path.read_bytes())


def test_killed_at_every_call_of_its_start(lab: Path, supervisors: Supervisors) -> None:
    """Nothing was started: never a trainer that no file names, also one that does not mind that its folder is gone."""
    (lab / "experiments.toml").write_text('[lab]\nslots = 50\n[versions.v0]\ncommand = ["sleep", "600"]\n')
    supervisors.arm(lab / "runs", "process.json", 0, "")
    stop(run := launch(load_notebook(lab), "v0"))
    wait_for_end(run)
    seen = supervisors.calls()
    named = [i for i, call in enumerate(seen) if call == "rename process.json"]
    assert len(named) == 2 and seen.count("fsync process.json (temporary)") == 2
    seen = seen[: named[1] + 4]  # its folder is synced then; the calls of its end come after
    for k in range(1, len(seen) + 1):
        supervisors.arm(lab / "runs", "process.json", k, "KILL")
        with pytest.raises(LaunchError, match="cannot start v0: its supervisor ended at once"):
            launch(load_notebook(lab), "v0")
        wait_until(lambda: not of_lab(lab), f"no process is left (killed at {k}: {seen[k - 1]})")
        assert find_runs(lab) == [run]


def test_killed_when_the_trainer_has_just_begun(lab: Path, supervisors: Supervisors) -> None:
    """The run goes on, and is not taken for one that could not be started."""
    supervisors.arm(lab / "runs", "=system.jsonl", 1, "KILL")
    run = launch(load_notebook(lab), "v0")
    assert supervisors.calls() == ["openat system.jsonl"]
    goes_on(run)
    stop(run)
    assert wait_for_end(run).state is State.STOPPED and not of_lab(lab)
    resume(run)
    goes_on(run)
    assert status(run).attempt == 2
    stop(run)
    assert wait_for_end(run).state is State.STOPPED and not of_lab(lab)
    assert sorted(p.name for p in run.path.iterdir() if p.name.startswith(".")) == []


def goes_on(run: RunDir) -> None:
    wait_until(lambda: "supervisor is gone" in status(run).evidence, "the supervisor is gone")
    assert status(run).state is State.RUNNING
    before = counts(run)
    wait_until(lambda: counts(run) > before, "the trainer goes on")
    whole(run)


def test_a_disk_that_fails_at_every_call_of_its_start(lab: Path, supervisors: Supervisors) -> None:
    """It is told which file could not be written and why, and nothing is left."""
    (lab / "experiments.toml").write_text('[lab]\nslots = 50\n[versions.v0]\ncommand = ["sleep", "600"]\n')
    supervisors.arm(lab / "runs", "process.json", 0, "")
    stop(run := launch(load_notebook(lab), "v0"))
    wait_for_end(run)
    seen = supervisors.calls()
    begun = [i for i, call in enumerate(seen) if call == "openat process.json (temporary)"]
    assert len(begun) == 2
    for k in [start + 1 + i for start in begun for i in range(9)]:
        deed, told = (("ENOSPC", "No space left on device"), ("EIO", "Input/output error"))[k % 2]
        supervisors.arm(lab / "runs", "process.json", k, deed)
        with pytest.raises(LaunchError) as caught:
            launch(load_notebook(lab), "v0")
        found = rf"cannot start v0: {told}: {lab}/runs/v0/[-\w]+/process\.json"
        assert re.fullmatch(found, str(caught.value)), (k, seen[k - 1], caught.value)
        wait_until(lambda: not of_lab(lab), "no process is left")
        assert find_runs(lab) == [run]


@pytest.mark.parametrize(("at", "deed"), [("write exit.json (temporary)", "ENOSPC"), ("rename exit.json", "EIO")])
def test_an_end_that_cannot_be_written_is_tried_again(lab: Path, supervisors: Supervisors, at: str, deed: str) -> None:
    k = ends(lab, supervisors).index(at) + 1
    supervisors.arm(lab / "runs", "exit.json", k, deed)
    run = launch(load_notebook(lab), "v0", overrides={"most": 5})
    assert wait_for_end(run).state is State.FINISHED
    assert supervisors.calls()[k - 1] == at and supervisors.calls().count("rename exit.json") >= 1
    assert "cannot write" in (run.path / "supervisor.log").read_text()


def test_killed_at_every_call_of_its_end(lab: Path, supervisors: Supervisors) -> None:
    """It is finished where `exit.json` says so, else lost: never anything else, and it can be resumed."""
    seen = ends(lab, supervisors)
    named = seen.index("rename exit.json")
    for k in range(seen.index("openat exit.json (temporary)") + 1, len(seen) + 1):
        supervisors.arm(lab / "runs", "exit.json", k, "KILL")
        run = launch(load_notebook(lab), "v0", overrides={"most": 5})
        found = wait_for_end(run)
        wait_until(lambda: not of_lab(lab), "no process is left")
        whole(run)
        assert found.state is (State.FINISHED if k - 1 > named else State.LOST), (k, seen[k - 1], found)
        assert counts(run) == 5
        if found.state is State.LOST:
            assert "exit unknown" in found.evidence
            if k % 3:
                continue
            supervisors.arm(lab / "runs", "exit.json", 0, "")
            resume(run)
            assert (wait_for_end(run).state, status(run).attempt) == (State.FINISHED, 2)
            wait_until(lambda run=run: not [p for p in run.path.iterdir() if p.name.startswith(".")], "it is tidy")  # type: ignore[misc]


def ends(lab: Path, supervisors: Supervisors) -> list[str]:
    """The calls of a run that ends by itself."""
    supervisors.arm(lab / "runs", "exit.json", 0, "")
    run = launch(load_notebook(lab), "v0", overrides={"most": 5})
    assert wait_for_end(run).state is State.FINISHED
    found = supervisors.calls()
    wait_until(lambda: not of_lab(lab), "its supervisor has left")
    return supervisors.calls() or found
