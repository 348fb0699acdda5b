"""The monitor in a real terminal, on cards that a library of the tests plays: they come, go and fall off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.documents import Process
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.launch import launch
from tests import native
from tests.conftest import NewLab
from tests.support.tmux import Tmux

pytestmark = [pytest.mark.tmux, pytest.mark.compiler]


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab('[versions.v0]\ncommand = ["sleep", "600"]\n', "lab", runs=True)


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """The file that moves the cards."""
    native.driver(tmp_path)
    (tmp_path / "cards").write_text("\n")
    return tmp_path / "cards"


@pytest.fixture
def monitor(lab: Path, cards: Path, tmp_path: Path) -> Iterator[Callable[..., Tmux]]:
    """Opens the monitor in a terminal of a given size."""
    opened: list[Tmux] = []

    def start(columns: int, lines: int, **environment: str) -> Tmux:
        known = {"LD_LIBRARY_PATH": str(tmp_path), "FAKE_NVML": str(cards), **environment}
        app = Tmux(lab, columns, lines, **known)
        opened.append(app)
        app.shows("v0", "Run")
        app.keys("m")
        app.shows("Machine", "command")
        return app

    yield start
    for one in opened:
        one.end()


def row(screen: str, start: str) -> str:
    return next((line for line in screen.splitlines() if line.startswith(start)), "")


def test_cards_fall_off_come_and_go_without_a_message(monitor: Callable[..., Tmux], cards: Path) -> None:
    app = monitor(80, 24)
    screen = app.shows("GPU 0", "GPU 1", "61 °C")
    assert all(len(line) <= 80 for line in screen.splitlines())
    assert "GB free" in row(screen, "disk") and "MB/s" in row(screen, "disk")
    assert "n/a" in row(screen, "GPU 1")
    cards.write_text("lost\n")
    assert "GPU 1" in app.shows("GPU 0     Test Card 0 is lost: no answer")
    cards.write_text("gone\n")
    app.until(lambda screen: "GPU 1" not in screen, "one card")
    cards.write_text("grown\n")
    app.shows("GPU 2")
    cards.write_text("unloaded\n")
    screen = app.shows("the GPU driver does not answer any more")
    assert not row(screen, "GPU")
    assert "Traceback" not in screen


def test_without_a_driver_nothing_is_said_of_gpus(monitor: Callable[..., Tmux]) -> None:
    app = monitor(80, 24, LD_LIBRARY_PATH="")
    screen = app.until(lambda screen: "%" in row(screen, "CPU"), "gauges")
    assert [line for line in screen.splitlines() if "GPU" in line] == [row(screen, "    pid")]


def test_a_process_is_shown_with_its_card_and_that_of_others_cannot_be_stopped(
    lab: Path, monitor: Callable[..., Tmux], cards: Path
) -> None:
    run = launch(load_notebook(lab), "v0")
    process = Process.read(run)
    assert process and process.trainer
    cards.write_text(f"\nprocess 1 {process.trainer.pid} 1234\nprocess 0 1 700\nprocess 1 1 700\n")
    app = monitor(120, 30)
    app.keys("o", "o")
    screen = app.shows("1: 1,234 MB", "0,1: 1,400 MB")
    own, others = (next(line for line in screen.splitlines() if text in line) for text in ("1: 1,234", "0,1: 1,400"))
    assert f"v0 {run.run_id}" in own and "v0" not in others
    # The cursor stands on the process that takes most, which is not one of ours: there is nothing to stop.
    app.until(lambda screen: "S Stop" not in screen, "no key to stop it")
    app.keys("S", "Enter", "y")
    app.keys("j")
    app.shows("S Stop")
    assert status(run).state is State.RUNNING
    app.keys("S")
    app.shows("Stop v0?", "Keep it running")
    app.keys("Escape")
    app.until(lambda screen: "Stop v0?" not in screen, "the question is gone")
    assert status(run).state is State.RUNNING
