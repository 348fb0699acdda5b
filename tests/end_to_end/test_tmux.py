"""The shipped notebook in a real terminal (tmux), with a real training: the README's first minutes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgexp_tui.records.rundir import find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.control import wait_for_end
from tests.conftest import NewLab
from tests.helpers import ROOT, wait_until
from tests.support.tmux import Tmux

pytestmark = pytest.mark.tmux

SMALL = """
# so that the test takes seconds
[defaults]
train_samples = 128
valid_samples = 64
image_size = 32
epochs = 4
encoder = "small_conv"
head = "fastai"
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    shipped = (ROOT / "experiments.toml").read_text()
    head, versions = shipped.split("[versions.v0]", 1)
    small = head[: head.index("[defaults]")] + SMALL + "\n[versions.v0]" + versions
    # v0's own encoder would take its time on a busy machine; everything else of the notebook stays as it ships.
    small = small.replace('encoder = "mobilenetv2_100"\npretrained = true', "pretrained = false", 1)
    return new_lab(small.replace("epochs = 10", "epochs = 4", 1), runs=True)


@pytest.fixture
def tmux(lab: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Tmux]]:
    opened: list[Tmux] = []

    def start(columns: int, lines: int, **environment: str) -> Tmux:
        opened.append(Tmux(lab, columns, lines, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


def test_start_kill_come_back_and_finish(lab: Path, tmux: Callable[..., Tmux]) -> None:
    app = tmux(80, 24)
    screen = app.shows("v0", "v1", "v2", "v3", "V4", "V5", "Run")
    assert all(len(line) <= 80 for line in screen.splitlines())
    app.keys("r")
    app.shows("● running", "train loss  ")
    os.kill(app.pid(), signal.SIGKILL)
    (run,) = find_runs(lab)
    again = tmux(200, 50)
    again.shows("v0 run", "train loss  ", "valid loss  ", "chance")
    assert wait_for_end(run).state is State.FINISHED
    again.shows("✓ finished", "4/4")
    best = json.loads(_cli(lab, "list", "--json"))[0]["best"]
    assert f"{best['value']:.4f}" in again.screen()


def test_quitting_says_that_the_run_goes_on(lab: Path, tmux: Callable[..., Tmux]) -> None:
    app = tmux(80, 24)
    app.shows("V5", "Run")
    app.keys("r")
    app.shows("● running")
    app.keys("q")
    wait_until(lambda: not _alive(app), "the app has ended")
    (run,) = find_runs(lab)
    assert wait_for_end(run).state is State.FINISHED
    assert status(run).attempt == 1


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "screen"}, {"TERM": "screen-256color"}])
def test_it_is_legible_with_few_colours_and_none(environment: dict[str, str], tmux: Callable[..., Tmux]) -> None:
    app = tmux(80, 24, **environment)
    app.shows("v0", "V5", "no run", "Run")
    app.keys("j")
    app.until(lambda screen: "▌ v1" in screen, "the cursor on v1, marked without colour")
    if "NO_COLOR" in environment:
        assert "38;5;" not in app.screen(styled=True)
        assert "38;2;" not in app.screen(styled=True)


def _alive(app: Tmux) -> bool:
    try:
        app.pid()
    except (subprocess.CalledProcessError, ValueError):
        return False
    return True


def _cli(lab: Path, *words: str) -> str:
    command = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_another_program_wrote_on_the_screen_goes_with_a_key(lab: Path, tmux: Callable[..., Tmux]) -> None:
    app = tmux(80, 24)
    before = app.shows("v0", "Quit")
    app.write("\x1b[3;1HBroadcast message from root: the node goes down")
    app.shows("Broadcast")
    app.keys("C-l")
    after = app.until(lambda screen: "Broadcast" not in screen, "the message is gone")
    assert after.splitlines()[2].split()[:2] == before.splitlines()[2].split()[:2] == ["▌", "v0"]
