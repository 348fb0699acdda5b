"""The command line, as a user meets it: the real command, real files, a real (small) training."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imgexp_tui.cli import main, runs
from imgexp_tui.cli.parser import COMMANDS, build_parser
from imgexp_tui.records.rundir import RunDir
from tests.conftest import NewLab
from tests.helpers import ROOT

NOTEBOOK = """\
[lab]
title = "A small lab"

[defaults]
data = "shapes"
image_size = 32
encoder = "small_conv"
epochs = 2
train_samples = 64
valid_samples = 32
batch_size = 16

[versions.v0]
summary = '''First try [/] with | and \t tab.'''
takeaways = '''
-learns
'''

[versions.v1]
base = "v0"
summary = '''Bigger batch.'''
[versions.v1.train]
batch_size = 32

[versions.slow]
command = ["python", "-c", "import time; print('up', flush=True); time.sleep({seconds})"]
[versions.slow.train]
seconds = 600
"""


VERSION_KEYS = {"name", "base", "summary", "takeaways", "observed", "state", "best", "runs"}
RUN_KEYS = {"run", "version", "state", "exit_code", "signal", "attempt", "epoch", "step", "metrics", "best", "path"}


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(NOTEBOOK, runs=True)


def cli(lab: Path, *words: str, code: int = 0) -> str:
    """What the command printed, after its exit code was checked; never a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def rows(lab: Path, *words: str) -> Any:
    return json.loads(cli(lab, *words, "--json"))


def test_the_main_job(lab: Path) -> None:
    """Run, look, write a takeaway, export."""
    output = cli(lab, "run", "v0", "--set", "learning_rate=0.002", "--seed", "7", "--wait")
    assert "finished" in output and "valid/loss" in output

    (run,) = rows(lab, "runs")
    assert run.keys() >= RUN_KEYS
    assert (run["state"], run["exit_code"], run["signal"], run["attempt"]) == ("finished", 0, None, 1)
    assert (run["epoch"], run["step"]) == (2, 8)
    assert {"train/loss", "valid/loss", "valid/accuracy", "valid/soft_std"} <= set(run["metrics"])

    v0, v1, _ = rows(lab, "list")
    assert v0.keys() >= VERSION_KEYS
    assert (v0["state"], v0["runs"], v0["summary"]) == ("finished", [run["run"]], "First try [/] with | and \t tab.")
    assert v0["best"]["metric"] == "valid/loss"
    assert (v1["base"], v1["state"], v1["best"], v1["runs"]) == ("v0", None, None, [])

    request = json.loads((Path(run["path"]) / "request.json").read_text())
    assert request["config"]["learning_rate"] == 0.002
    assert request["config"]["batch_size"] == 16
    assert request["seed"] == 7

    details = cli(lab, "show", run["run"])
    assert "finished" in details and "valid/accuracy" in details
    assert "epoch 2" in cli(lab, "logs", "v0")

    cli(lab, "note", "v0", "--takeaway", "two epochs are too few")
    assert rows(lab, "list")[0]["takeaways"] == "-learns\n-two epochs are too few\n"
    page = cli(lab, "export")
    assert "two epochs are too few" in page and "valid/loss" in page


def test_stop_leaves_a_stopped_run_and_no_process(lab: Path) -> None:
    cli(lab, "run", "slow")
    (run,) = rows(lab, "runs", "slow")
    assert run["state"] == "running"
    pid = json.loads((Path(run["path"]) / "process.json").read_text())["trainer"]["pid"]
    assert "stopped" in cli(lab, "stop", "slow")
    (run,) = rows(lab, "runs", "slow")
    assert run["state"] == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "ended" in cli(lab, "stop", "slow", code=1)


def test_logs_follow_until_the_end(lab: Path) -> None:
    cli(lab, "run", "slow")
    follower = subprocess.Popen(
        [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "logs", "-f", "slow"], stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout
    assert follower.stdout.readline() == "up\n"
    cli(lab, "stop", "slow")
    assert follower.wait(30) == 0


def test_interrupting_the_wait_leaves_the_run_alone(lab: Path) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "run", "slow", "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdout and waiting.stdout.readline().startswith("slow/")
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "goes on" in errors
    assert rows(lab, "runs")[0]["state"] == "running"
    cli(lab, "stop", "slow")


def test_interrupting_as_soon_as_the_run_is_announced_leaves_it_alone(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    announce = runs._report_start

    def interrupted(target: RunDir, word: str) -> None:
        announce(target, word)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "_report_start", interrupted)
    assert main(["-C", str(lab), "run", "slow", "--wait"]) == 130
    assert "goes on" in capsys.readouterr().err
    cli(lab, "stop", "slow")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "v7"], 1, "no version v7"),
        (["run", "v0", "--set", "batchsize=2"], 2, "did you mean batch_size?"),
        (["run", "v0", "--set", "epochs=many"], 2, "whole number"),
        (["run", "v0", "--set", "epochs"], 2, "KEY=VALUE"),
        (["run", "slow", "--set", "second=1"], 2, "did you mean seconds?"),
        (["show", "nothing"], 1, "nothing"),
        (["stop", "v0"], 1, "v0"),
        (["logs", "v0"], 1, "v0"),
        (["note", "v9", "--takeaway", "x"], 1, "no version v9"),
        (["note", "v0", "--takeaway", " "], 2, "empty"),
        (["import", "missing.txt"], 1, "missing.txt"),
        (["export", "-o", "no/such/folder/notebook.md"], 1, "cannot write"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_mistakes_are_one_sentence(lab: Path, words: list[str], code: int, message: str) -> None:
    assert message in cli(lab, *words, code=code)


def test_a_folder_without_a_notebook_says_what_to_do(tmp_path: Path) -> None:
    assert "imgexp-tui init" in cli(tmp_path, "list", code=1)


def test_init_makes_a_lab_that_checks_and_never_overwrites(tmp_path: Path) -> None:
    lab = tmp_path / "new"
    cli(tmp_path, "init", str(lab))
    assert "no problems" in cli(lab, "check")
    (lab / "experiments.toml").write_text("[versions.mine]\n")
    assert "nothing was changed" in cli(tmp_path, "init", str(lab), code=1)
    assert (lab / "experiments.toml").read_text() == "[versions.mine]\n"


def test_notes_come_into_a_new_lab_beside_its_first_version(tmp_path: Path, notes_file: Path) -> None:
    cli(tmp_path, "init", str(tmp_path / "new"))
    cli(tmp_path / "new", "import", str(notes_file))
    assert [v["name"] for v in rows(tmp_path / "new", "list")] == ["first", "v0", "v1", "v2", "v3", "V4", "V5"]


def test_check_reports_every_problem_with_its_line(lab: Path) -> None:
    (lab / "experiments.toml").write_text(
        "[defaults]\nepoch = 3\n[versions.v0.train]\nhead = 'lineer'\n[versions.v1]\nbase = 'v9'\n[versions.v2]\n"
    )
    output = cli(lab, "check", code=1)
    for expected in (
        "experiments.toml:2: defaults.epoch",
        "experiments.toml:4: versions.v0.train.head",
        "experiments.toml:6: versions.v1.base",
    ):
        assert expected in output
    assert "epochs" in output and "linear" in output
    assert [v["name"] for v in rows(lab, "list")] == ["v0", "v1", "v2"]
    assert f"{lab / 'experiments.toml'} has problems" in listing(lab)


def test_import_and_plain_export_are_a_fixed_point(tmp_path: Path, notes_file: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for lab in (first, second):
        lab.mkdir()
    cli(first, "import", str(notes_file))
    (tmp_path / "plain.txt").write_text(cli(first, "export", "--format", "plain"))
    cli(second, "import", str(tmp_path / "plain.txt"))
    assert rows(first, "list") == rows(second, "list")
    assert [v["name"] for v in rows(first, "list")] == ["v0", "v1", "v2", "v3", "V4", "V5"]


def test_importing_again_never_overwrites(tmp_path: Path, notes_file: Path) -> None:
    cli(tmp_path, "import", str(notes_file))
    cli(tmp_path, "note", "v0", "--takeaway", "mine")
    before = (tmp_path / "experiments.toml").read_bytes()
    assert "v0" in cli(tmp_path, "import", str(notes_file), code=1)
    assert (tmp_path / "experiments.toml").read_bytes() == before


@pytest.mark.parametrize("text", ["", "only words\nand more\n"])
def test_a_file_without_a_version_is_not_imported(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.txt").write_text(text)
    assert "holds no version" in cli(tmp_path, "import", str(tmp_path / "notes.txt"), code=1)
    assert not (tmp_path / "experiments.toml").exists()


def test_escape_sequences_of_a_log_do_not_reach_the_terminal(lab: Path) -> None:
    notebook = (lab / "experiments.toml").read_text()
    notebook += r"""
[versions.rude]
command = ["python", "-c", "print('\u001b]52;c;ZXZpbA==\u0007\u001b[31mred [/]')"]
"""
    (lab / "experiments.toml").write_text(notebook)
    cli(lab, "run", "rude", "--wait")
    assert cli(lab, "logs", "rude") == "red [/]\n"


def test_the_shipped_notebook_holds_the_notes_to_the_letter(notes_file: Path) -> None:
    source = notes_file.read_text()
    versions = rows(ROOT, "list")
    assert [v["name"] for v in versions] == ["v0", "v1", "v2", "v3", "V4", "V5"]
    for version in versions:
        for field in ("summary", "takeaways", "observed"):
            assert version[field].strip("\n") in source
    assert "no problems" in cli(ROOT, "check")


def listing(lab: Path) -> str:
    """What `list` says beside its table."""
    done = subprocess.run(
        [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "list"], capture_output=True, text=True, timeout=60
    )
    return done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command_has_an_example_and_describes_what_it_takes(name: str) -> None:
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    command = commands.choices[name]
    assert f"imgexp-tui {name}" in (command.epilog or "")
    for argument in command._actions:
        assert argument.help, f"{name} {argument.metavar or argument.dest}"


def test_list_is_readable_while_nothing_has_run(lab: Path) -> None:
    output = cli(lab, "list")
    assert output.splitlines()[0].split() == ["version", "state", "best", "runs", "noted", "summary"]
    assert "First try [/] with | and tab." in output


def test_a_pipe_that_closes_early_is_no_error(lab: Path) -> None:
    listing = subprocess.Popen(
        [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout and listing.stderr
    listing.stdout.close()
    assert listing.stderr.read() == b""
    assert listing.wait(30) == 0


def test_the_queue_from_the_command_line(lab: Path) -> None:
    assert "nothing waits" in cli(lab, "queue")
    cli(lab, "run", "slow")
    output = cli(lab, "run", "slow", "--seeds", "2", "--set", "seconds=1")
    (running,) = (r for r in rows(lab, "runs") if r["state"] == "running")
    queued = [line for line in output.splitlines() if "queued" in line]
    assert len(queued) == 2
    assert queued[0].endswith(f"queued: this machine busy with slow/{running['run']}")
    assert queued[1].endswith(", 1 ahead")

    first, second, third = rows(lab, "queue")
    assert [r["waiting"] for r in (first, second, third)] == [False, True, True]
    assert cli(lab, "queue", third["run"], "--first").count("queued") == 2
    assert [r["run"] for r in rows(lab, "queue")] == [first["run"], third["run"], second["run"]]
    groups = {r["group"] for r in rows(lab, "runs") if r["run"] != running["run"]}
    assert len(groups) == 1 and None not in groups
    assert sorted(r["seed"] for r in rows(lab, "runs") if r["group"]) == [0, 1]

    assert "as asked, before it was started" in cli(lab, "stop", second["run"])
    cli(lab, "stop", first["run"])
    finished = cli(lab, "logs", third["run"], "-f")
    assert finished == "up\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("queue", "v0"), 2, "where to?"),
        (("queue", "--first"), 2, "which run"),
        (("queue", "v0", "--first"), 1, "no run v0 waits"),
        (("run", "v0", "--seeds", "0"), 2, "--seeds 0"),
        (("run", "v0", "--gpus", "-1"), 1, "gpus: must be a whole number"),
        (("run", "v0", "--gpu-memory", "much"), 1, "gpu_memory: must be a size"),
        (("run", "v0", "--launcher", "slurp"), 1, "did you mean 'slurm'?"),
    ],
)
def test_mistakes_with_the_queue_are_one_sentence(lab: Path, words: tuple[str, ...], code: int, message: str) -> None:
    output = cli(lab, *words, code=code)
    assert message in output and output.count("\n") == 1


def test_check_refuses_a_judge_of_unknown_goal_and_goals_that_contradict(new_lab: NewLab) -> None:
    told = cli(new_lab('[lab]\njudge = "valid/rank"\n[versions.v0]\n'), "check", code=1)
    assert "2: lab.judge: whether a higher or a lower valid/rank is better is not known; write goal =" in told
    both = '[lab.metrics.dice]\ngoal = "lower"\n[lab.metrics."valid/dice"]\ngoal = "higher"\n[versions.v0]\n'
    assert "contradicts [lab.metrics.dice], which says lower; keep one of them" in cli(new_lab(both), "check", code=1)
