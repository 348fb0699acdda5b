"""`on_event`: real commands, run by a real process beside a real supervisor."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from imgexp_tui.cli import doctor
from imgexp_tui.monitor.proc import list_pids
from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.records.alerts import Alert
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.jsonl import append_line
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.control import resume, stop, wait_for_end
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.supervisor import event_command
from tests.conftest import NewLab
from tests.helpers import wait_until

TOLD = """
import json, os, sys
with open("told.jsonl", "a") as file:
    print(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items() if k.startswith("IMGEXP_")}]), file=file)
"""
TRAINER = """
import os, sys, time
lines = {"plain": [.5, .4], "nan": ["nan"], "fail": [], "mute": [], "hold": []}[sys.argv[1]]
with open(os.environ["IMGEXP_RUN_DIR"] + "/metrics.jsonl", "a") as file:
    for step, value in enumerate(lines, 1):
        value = '"nan"' if value == "nan" else value
        print('{"step": %d, "epoch": %d, "valid/loss": %s, "time": %f}' % (step, step, value, time.time()), file=file)
print("up", flush=True)
if sys.argv[1] == "fail":
    sys.exit("no `layer`; $(of this) name")
while sys.argv[1] in ("hold", "mute") and not os.path.exists("go"):
    time.sleep(.02)
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Iterator[Path]:
    lab = new_lab("", runs=True)
    (lab / "told.py").write_text(TOLD)
    (lab / "trainer.py").write_text(TRAINER)
    write(lab, '["python", "told.py", "{event}", "{message}", "{run_dir}"]')
    yield lab
    (lab / "go").touch()


def write(lab: Path, command: str, more: str = "") -> None:
    versions = "".join(
        f'[versions.{name}]\ncommand = ["python", "trainer.py", "{name}"]\n'
        for name in ("plain", "nan", "fail", "mute", "hold")
    )
    (lab / "experiments.toml").write_text(f"[lab]\nslots = 20\non_event = {command}\n{more}\n{versions}")


def told(lab: Path, count: int) -> list[tuple[list[str], dict[str, str]]]:
    """What the commands were told, once there were so many of them."""
    path = lab / "told.jsonl"
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, f"{count} commands")
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def beside(run: RunDir) -> list[int]:
    """The process beside the run's supervisor, and that itself."""
    words = [os.fsencode(run.path), b"imgexp_tui.runner.supervise"]
    return [pid for pid in list_pids() if all(word in _words(pid) for word in words)]


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_new_best_and_the_end_are_told_with_what_happened(lab: Path) -> None:
    run = launch(load_notebook(lab), "plain")
    (best, _), (end, given) = told(lab, 2)
    assert best == ["best", "plain has a new best: valid/loss 0.4000 in epoch 2", os.fspath(run.path)]
    assert end == ["finished", "plain finished; best valid/loss 0.4000 in epoch 2", os.fspath(run.path)]
    assert given == {
        "IMGEXP_EVENT": "finished",
        "IMGEXP_MESSAGE": end[1],
        "IMGEXP_VERSION": "plain",
        "IMGEXP_RUN": run.run_id,
        "IMGEXP_FOLDER": os.fspath(run.path),
        "IMGEXP_LAB": os.fspath(lab),
        "IMGEXP_STATE": "finished",
        "IMGEXP_ATTEMPT": "1",
        "IMGEXP_METRIC": "valid/loss",
        "IMGEXP_VALUE": "0.4",
        "IMGEXP_STEP": "2",
        "IMGEXP_EPOCH": "2",
    }
    # The end was written down before, and nothing stays behind.
    assert Exit.read(run)
    wait_until(lambda: not beside(run), "an end of the process beside")
    assert not (run.path / event_command.EVENT_COMMAND_LOG).exists()


def test_a_nan_is_told_once_and_a_failure_as_it_was_printed(lab: Path) -> None:
    book = load_notebook(lab)
    launch(book, "nan")
    launch(book, "fail")
    found = {words[0]: words[1] for words, _ in told(lab, 3)}
    assert found["nan"] == "nan: valid/loss is nan in epoch 1"
    assert found["failed"] == "fail failed: exit code 1: no `layer`; $(of this) name"


def test_a_stall_is_told_each_time_and_what_was_asked_for_is_not(lab: Path) -> None:
    write(lab, '["python", "told.py", "{event}", "{message}"]', "heartbeat = 0.5")
    run = launch(load_notebook(lab), "mute")
    told(lab, 1)
    for _ in range(16):  # it is looked at each second
        append_line(run.metrics, {"step": 1, "time": time.time(), "train/loss": 0.5})
        time.sleep(0.1)
    first, second = told(lab, 2)[:2]
    assert first[0][0] == second[0][0] == "stalled"
    assert re.fullmatch(r"mute has stalled: nothing written for \ds", second[0][1])
    stop(run)
    wait_for_end(run)
    wait_until(lambda: not beside(run), "an end of the process beside")
    assert {words[0] for words, _ in told(lab, 2)} == {"stalled"}


def test_a_resumed_run_does_not_tell_what_it_told_before(lab: Path) -> None:
    run = launch(load_notebook(lab), "hold")
    append_line(run.metrics, {"step": 1, "time": time.time(), "valid/loss": 0.3})
    told(lab, 1)
    stop(run)
    wait_for_end(run)
    (lab / "go").touch()
    resume(run)
    wait_for_end(run)
    words = [words[0] for words, _ in told(lab, 2)]
    assert words == ["best", "finished"]


def test_a_trainer_without_its_supervisor_is_told_of_to_the_end(lab: Path) -> None:
    run = launch(load_notebook(lab), "hold")
    process = Process.read(run)
    assert process and process.supervisor
    os.kill(process.supervisor.pid, signal.SIGKILL)
    append_line(run.metrics, {"step": 1, "time": time.time(), "valid/loss": 0.3})
    told(lab, 1)
    (lab / "go").touch()
    (_, _), (words, given) = told(lab, 2)
    assert words[0] == "failed"
    assert given["IMGEXP_STATE"] == "lost"
    wait_until(lambda: not beside(run), "an end of the process beside")


def test_a_command_that_hangs_or_is_not_there_hurts_no_run(lab: Path) -> None:
    write(lab, '["sh", "-c", "touch began; sleep 600"]')
    run = launch(load_notebook(lab), "plain")
    assert wait_for_end(run).state is State.FINISHED
    wait_until((lab / "began").exists, "the command")
    # Its time is over: the limit is in the process beside, so that it is ended from outside here.
    for pid in list_pids():
        if _words(pid)[:3] == [b"sh", b"-c", b"touch began; sleep 600"]:
            os.killpg(pid, signal.SIGKILL)
    wait_until((run.path / event_command.EVENT_COMMAND_LOG).exists, "a log")
    write(lab, '["no-such-program"]')
    run = launch(load_notebook(lab), "fail")
    assert wait_for_end(run).state is State.FAILED
    log = run.path / event_command.EVENT_COMMAND_LOG
    wait_until(lambda: log.exists() and log.read_text(), "a complaint")
    assert log.read_text().endswith(" failed: cannot start no-such-program: No such file or directory\n")


@pytest.mark.parametrize(
    ("command", "why"), [("sleep 600 & sleep 600", "it took longer than 1s"), ("yes", "more than a megabyte")]
)
def test_a_command_has_limits(lab: Path, monkeypatch: pytest.MonkeyPatch, command: str, why: str) -> None:
    write(lab, '["true"]')
    run = launch(load_notebook(lab), "plain")
    wait_for_end(run)
    wait_until(lambda: not beside(run), "an end of the process beside")
    request = Request.read(run)
    assert request
    monkeypatch.setattr(event_command, "TIME_LIMIT", 1.0)
    request = replace(request, on_event=["sh", "-c", command])
    event_command.run_event_command(run, request, 1, Alert("best", "plain", run.run_id, "", 0.0))
    log = (run.path / event_command.EVENT_COMMAND_LOG).read_bytes()
    assert why.encode() in log.splitlines()[-1]
    assert len(log) < 2 << 20
    assert not [pid for pid in list_pids() if _words(pid)[:3] == [b"sh", b"-c", command.encode()]]


def test_a_command_may_start_the_next_run(lab: Path) -> None:
    write(lab, '["sh", "-c", "test \\"$IMGEXP_EVENT/$IMGEXP_VERSION\\" != finished/plain || imgexp-tui -C . run hold"]')
    first = launch(load_notebook(lab), "plain")
    wait_for_end(first)
    wait_until(lambda: find_runs(lab, "hold"), "the next run")
    run = find_runs(lab, "hold")[0]
    wait_until(lambda: status(run).state is State.RUNNING, "its trainer")
    wait_until(lambda: not beside(first), "an end of the process beside")
    assert status(run).state is State.RUNNING
    (lab / "go").touch()
    assert wait_for_end(run).state is State.FINISHED


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("on_event = 'notify-send'", "must be an array of texts"),
        ("on_event = []", "must be an array of texts"),
        ("on_event = ['a', '{mesage}']", "did you mean 'message'?"),
        ("on_event = ['sh', '-c', 'echo {message}']", "$IMGEXP_MESSAGE"),
        ("notify = 'osc7'", "did you mean"),
        ("bell = 1", "must be true or false"),
        ("alerts = ['finish']", "did you mean 'finished'?"),
        ("alerts = 'finished'", "must be an array"),
    ],
)
def test_mistakes_are_told(line: str, why: str, tmp_path: Path) -> None:
    (problem,) = parse_notebook(f"[lab]\n{line}\n", tmp_path).problems
    assert why in problem.message
    assert problem.line == 2


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ('["python"]', "ok    on_event "),
        ('["./mine.sh"]', "ok    on_event "),
        ('["no-such-program"]', "note  on_event    no-such-program is not there or may not be run"),
    ],
)
def test_doctor_says_whether_the_program_is_there(lab: Path, command: str, line: str) -> None:
    (lab / "mine.sh").touch(0o755)
    write(lab, command)
    found = [f"{grade:4}  {subject:10}  {finding}" for grade, subject, finding in doctor._check_notifications(lab)]
    assert len(found) == 1
    assert found[0].startswith(line)
