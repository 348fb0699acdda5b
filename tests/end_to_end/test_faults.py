"""`benchmarks/faults.py` in short: everything killed a few times. And what it counts can be other than zero."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import uuid
from pathlib import Path

import fault_kinds
import pytest
from fault_kinds import Lane, Tally
from faults import Row

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.documents import Request
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.status import State, Status
from imgexp_tui.runner.control import wait_for_end
from imgexp_tui.runner.launch import launch
from tests.helpers import ROOT


@pytest.mark.parametrize(
    ("kind", "trials"),
    [
        ("app", 5),
        ("supervisor", 8),  # at its start twice, on its way, at its end, in each of two labs
        ("trainer", 3),
        ("worker", 1),
        pytest.param("ssh", 2, marks=pytest.mark.sshd),
    ],
)
def test_what_is_killed_leaves_the_rest_and_the_truth(kind: str, trials: int) -> None:
    words = [sys.executable, "benchmarks/faults.py", "--trials", str(trials), "--only", kind, "--check", "--seed", "7"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"(\w+=\d+ ?)+", last) and "wrong_states=0 lines_lost=0 left_over=0" in last, done.stdout
    found = {name: int(value) for name, value in (word.split("=") for word in last.split())}
    assert found["trials"] == trials and found["lines"] > 0 and found["went_on"] == found["should_go_on"] > 0


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path, random.Random(1))


def test_what_is_not_as_it_should_be_is_counted(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    run = launch(load_notebook(lane.lab), "count", overrides={"most": 20})
    assert wait_for_end(run).state is State.FINISHED
    lane.settle(run)
    assert (lane.tally.lost, lane.tally.left, lane.tally.lines) == (0, 0, 20)

    rows = run.metrics.read_text().splitlines(keepends=True)
    run.metrics.write_text("".join(rows[:7] + rows[8:]))
    stray = subprocess.Popen(["sleep", "60"], env={"IMGEXP_RUN_UUID": _uuid(run.request)})
    monkeypatch.setattr(fault_kinds, "until", lambda so, *_, **__: bool(so()))
    lane.settle(run)
    stray.kill()
    stray.wait()
    assert (lane.tally.lost, lane.tally.left) == (1, 1)

    lane.is_state("now", Status(State.LOST, "gone", 1), State.RUNNING)
    assert lane.tally.wrong == ["now: lost (gone) in place of running"]

    identity = identity_of(1)
    assert identity
    lane.goes_on("now", run, identity)
    assert (lane.tally.should, lane.tally.went) == (1, 0)


def _uuid(path: Path) -> str:
    request = Request.read(fault_kinds.RunDir(path.parent))
    assert request
    return str(uuid.UUID(request.uuid))


@pytest.mark.parametrize("tally", [Tally(wrong=["x"]), Tally(lost=1), Tally(left=1), Tally(should=2, went=1)])
def test_a_row_with_any_of_it_is_not_good(tally: Tally) -> None:
    assert not Row("app", 1.0, tally).good
    assert Row("app", 1.0, Tally(trials=3, should=3, went=3, lines=9)).good
