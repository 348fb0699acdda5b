"""The app on real labs, through Textual's pilot: what stands on the screen, and what the keys do."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from terminal import record
from textual.binding import Binding
from textual.widgets import TextArea

from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.rundir import RunDir, create_run_dir, find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.editor import EditorScreen
from imgexp_tui.tui.screens.main.screen import MainScreen
from tests.conftest import NewLab
from tests.helpers import ROOT, screen_text, shows, stop_all, until

NOTEBOOK = """\
[lab]
title = "A lab"

[versions.v0]
summary = '''First [/] try [bold]of[/bold] it.'''
takeaways = '''
-learns [/]
'''
command = ["sh", "-c", "echo up; exec sleep {seconds}"]
[versions.v0.train]
seconds = 600

[versions.v1]
base = "v0"
summary = '''Shorter.'''
[versions.v1.train]
seconds = 1
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(NOTEBOOK, runs=True)


def a_run(lab: Path, version: str = "v0", *, ended: bool = True, metrics: list[dict[str, Any]] | None = None) -> RunDir:
    """A run directory as the runner and a trainer write it; a live one belongs to a process that only sleeps."""
    run, now, key = create_run_dir(lab, version), time.time(), str(uuid.uuid4())
    Request(key, run.run_id, version, None, {"epochs": 4}, ["true"], "command", 0, str(lab), "here", "me", now).write(
        run
    )
    sleeper = subprocess.Popen(["sleep", "0" if ended else "600"], start_new_session=True)
    known = identity_of(sleeper.pid)
    Process(key, 1, known, known, now).write(run)
    events.append_event(run, "started")
    plan = {"epochs": 4, "steps_per_epoch": 2, "chance": {"valid/loss": 0.6931, "train/loss": 0.6931}}
    events.append_event(run, "plan", **plan)
    writer = LineWriter(run.metrics)
    for line in metrics or [{"step": s, "epoch": (s + 1) // 2, "time": now, "train/loss": 1 / s} for s in (1, 2, 3, 4)]:
        writer.write(line)
    writer.close()
    run.log.write_text("a line of the log\n")
    if ended:
        Exit(key, 1, 0, None, "finished", "exit code 0", now).write(run)
    return run


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (200, 50)])
async def test_the_shipped_notebook_stands_on_the_first_screen(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_bytes((ROOT / "experiments.toml").read_bytes())
    async with LabApp(tmp_path).run_test(size=size) as pilot:
        await shows(pilot, "Patchwork pretext task", "Pretrained encoder", "Takeaways")
        names = [line.split()[0].lstrip("▌") or line.split()[1] for line in screen_text(pilot).splitlines()[2:8]]
        assert names == ["v0", "v1", "v2", "v3", "V4", "V5"]
        assert all(len(line) <= size[0] for line in screen_text(pilot).splitlines())


async def test_markup_in_notes_is_text(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "First [/] try [bold]of[/bold] it.", "-learns [/]")


async def test_a_live_run_shows_curves_chance_and_time_left(lab: Path) -> None:
    now = time.time()
    lines: list[dict[str, Any]] = [
        {"step": s, "epoch": (s + 1) // 2, "time": now + s, "train/loss": 1 / s} for s in range(1, 5)
    ]
    lines.append({"step": 4, "epoch": 2, "time": now + 4, "valid/loss": 0.5, "valid/accuracy": 0.75})
    run = a_run(lab, ended=False, metrics=lines)
    async with LabApp(lab).run_test(size=(160, 48)) as pilot:
        await shows(pilot, "running", "train loss", "valid loss", "chance 0.6931", "4/8", "left", "a line of the log")
        assert "0.5000" in screen_text(pilot)
        writer = LineWriter(run.metrics)
        writer.write({"step": 5, "epoch": 3, "time": now + 5, "train/loss": 0.1234})
        writer.close()
        await shows(pilot, "0.1234", "5/8")


async def test_values_that_are_not_finite_are_drawn_as_gaps(lab: Path) -> None:
    values = [1.0, float("nan"), float("inf"), 0.5, float("-inf"), 0.4]
    a_run(lab, metrics=[{"step": i, "epoch": 1, "time": 0.0, "train/loss": v} for i, v in enumerate(values, 1)])
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "finished", "train loss", "0.4000", "×")


async def test_escape_sequences_of_a_run_do_not_reach_the_terminal(lab: Path) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J"
    run = a_run(lab, metrics=[{"step": 1, "epoch": 1, "time": 0.0, "train/loss": 1.0, f"x{evil}[/]": 1.0}])
    run.log.write_text(f"before{evil}after [/]\n")
    events.append_event(run, "warning", f"careful{evil} [/]")
    async with LabApp(lab).run_test(size=(160, 48)) as pilot:
        await shows(pilot, "beforeafter [/]", "careful [/]")
        assert "\x1b" not in screen_text(pilot)
        await pilot.press("l")
        await shows(pilot, "beforeafter [/]")
        assert "\x1b" not in screen_text(pilot)


async def test_a_broken_version_never_hides_the_others(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK + "\n[versions.bad.train]\nhaed = 'linear'\n")
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "v0", "v1", "bad")
        await pilot.press("G")
        await shows(pilot, "haed", "head")


async def test_a_notebook_that_does_not_parse_shows_the_line_and_recovers(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK + "\n[versions.v2\nsummary = 'x'\n")
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "experiments.toml:19", "v0", "v1")
        (lab / "experiments.toml").write_text(NOTEBOOK + "\n[versions.v2]\nsummary = 'mended by hand'\n")
        await shows(pilot, "mended by hand")
        await until(pilot, lambda: "experiments.toml:19" not in screen_text(pilot), "no trouble any more")


async def test_an_edit_from_outside_shows_and_the_cursor_stays(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "v1")
        await pilot.press("j")
        await shows(pilot, "v1 notes")
        (lab / "experiments.toml").write_text("[versions.new]\nsummary = 'before them'\n" + NOTEBOOK)
        await shows(pilot, "before them", "v1 notes")


async def test_nothing_is_drawn_beneath_the_editor_and_all_is_new_when_one_comes_back(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0
    draw = MainScreen._draw

    def counted(self: MainScreen) -> None:
        nonlocal drawn
        drawn += 1
        draw(self)

    async with LabApp(lab).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "Run")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen), "the editor")
        monkeypatch.setattr(MainScreen, "_draw", counted)
        main = pilot.app.screen_stack[0]
        (lab / "experiments.toml").write_text((lab / "experiments.toml").read_text() + "[versions.newcomer]\n")
        await until(pilot, lambda: "newcomer" in main._snapshot.notebook.versions, "the look")  # type: ignore[attr-defined]
        await pilot.pause()
        assert drawn == 0
        await pilot.press("escape")
        await shows(pilot, "newcomer")


async def test_the_screen_reflows(lab: Path) -> None:
    a_run(lab)
    async with LabApp(lab).run_test(size=(200, 50)) as pilot:
        await shows(pilot, "v0 notes", "v0 run", "v0 log", "machine")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "machine" not in screen_text(pilot), "the small layout")
        for pane, word in (("log", "a line of the log"), ("run", "train loss"), ("notes", "-learns")):
            await until(pilot, lambda pane=pane: pane in screen_text(pilot), pane)
            while word not in screen_text(pilot):
                await pilot.press("tab")
                await pilot.pause(0.05)
        await pilot.resize_terminal(200, 50)
        await shows(pilot, "v0 log", "machine", "train loss")


async def test_run_stop_and_resume_by_key(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "Run")
        await pilot.press("r")
        await shows(pilot, "running   pid")
        (run,) = find_runs(lab)
        await pilot.press("S")
        await shows(pilot, "Stop v0?")
        await pilot.press("n")
        await until(pilot, lambda: "Stop v0?" not in screen_text(pilot), "the question is gone")
        assert status(run).state is State.RUNNING
        await pilot.press("S")
        await shows(pilot, "Stop v0?")
        await pilot.press("y")
        await shows(pilot, "stopped")
        await pilot.press("R")
        await until(pilot, lambda: status(run).state is State.RUNNING, "the run is resumed")
        assert status(run).attempt == 2


async def test_a_live_run_is_offered_to_be_stopped_though_a_newer_one_has_ended(lab: Path) -> None:
    older = a_run(lab, ended=False)
    a_run(lab)
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "● 1 running", "S Stop", "● running")
        a_run(lab, ended=False)
        await shows(pilot, "● 2 running")
        stop_all(lab)
        await shows(pilot, "nothing running")
    assert not status(older).state.live


async def test_quitting_leaves_the_run_and_the_next_start_finds_it(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "Run")
        await pilot.press("r")
        await shows(pilot, "● running")
        await pilot.press("q")
    (run,) = find_runs(lab)
    assert status(run).state is State.RUNNING
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "● running")


async def test_the_curves_stay_when_a_watched_run_ends(lab: Path) -> None:
    run = a_run(lab, ended=False)
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "● running", "train loss")
        stop_all(lab)
        await until(pilot, lambda: "● running" not in screen_text(pilot), "the end")
        await pilot.pause(0.2)
        assert "train loss" in screen_text(pilot)
        await pilot.press("tab")
        await shows(pilot, "-learns")
    assert not status(run).state.live
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "nothing running", "-learns")


async def test_a_takeaway_is_written_while_the_run_goes_on(lab: Path) -> None:
    a_run(lab, ended=False)
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "running")
        await pilot.press("e")
        await shows(pilot, "Dated mark", "-learns")
        await pilot.press("ctrl+end", *"-fast [/]", "escape")
        await shows(pilot, "v0 notes", "-fast [/]")
    assert "-learns [/]\n-fast [/]" in (lab / "experiments.toml").read_text()


@pytest.mark.parametrize(("columns", "shown"), [(80, False), (110, True)])
async def test_the_footer_shows_the_keys_that_it_has_room_for(lab: Path, columns: int, shown: bool) -> None:
    run = a_run(lab)
    Exit(str(uuid.uuid4()), 1, 1, None, "failed", "exit code 1", time.time()).write(run)
    async with LabApp(lab).run_test(size=(columns, 24), notifications=True) as pilot:
        await shows(pilot, "R Resume", "q Quit")
        assert ("x Export" in screen_text(pilot).splitlines()[-1]) is shown


async def test_export_by_key_says_where(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "Run")
        await pilot.press("x")
        await shows(pilot, "notebook.md")
    assert "Shorter." in (lab / "notebook.md").read_text()


async def test_what_cannot_be_started_is_one_sentence(lab: Path) -> None:
    broken = NOTEBOOK.replace('base = "v0"', 'base = "v9"')
    (lab / "experiments.toml").write_text(broken)
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "v1")
        await pilot.press("j", "r")
        await shows(pilot, "v1 cannot run")
        assert not find_runs(lab)


async def test_every_key_is_in_the_help(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 400)) as pilot:
        await shows(pilot, "Run")
        await pilot.press("question_mark")
        await shows(pilot, "Write takeaways", "Start a run", "asks first", "Export the notebook")
        for binding in (*MainScreen.BINDINGS, *LabApp.BINDINGS):
            assert isinstance(binding, Binding)
            description = binding.tooltip or binding.description
            await shows(pilot, *description.split(";")[0].split(": ")[:1])
        await pilot.press("end")
        await shows(pilot, "your own editor")


async def test_the_help_names_a_key_once_begins_with_the_open_screen_and_says_that_there_is_more(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 400)) as pilot:
        await shows(pilot, "Run")
        await pilot.press("question_mark")
        await shows(pilot, "What is what")
        everywhere = screen_text(pilot).partition("Everywhere")[2].partition("Writing notes")[0]
        assert everywhere.count("^q") == 1
        await until(pilot, lambda: "more below" not in screen_text(pilot), "all is in sight")
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Run")
        await pilot.press("e")
        await shows(pilot, "Dated mark")
        await pilot.press("f1")
        await shows(pilot, "Writing notes", "Put in [UPDATE", "more below")
        assert "Versions and runs" not in screen_text(pilot).partition("Writing notes")[0]
        await pilot.press("end")
        await until(pilot, lambda: "more below" not in screen_text(pilot), "the end")


async def test_the_palette_holds_the_app_s_own_commands(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 60)) as pilot:
        await shows(pilot, "Run")
        titles = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert {"Start a run of this version", "Quit", "Every key", "Dark or light"} <= set(titles)
        assert len(set(titles)) == len(titles)
        assert not {"Keys", "Theme", "Screenshot", "Maximize"} & set(titles)
        await pilot.press("e")
        await shows(pilot, "Dated mark")
        titles = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert {"Save", "Quit"} <= set(titles)


def test_a_still_screen_sends_nothing(lab: Path) -> None:
    """In a real pseudo-terminal, seconds after all has settled; only the line of gauges may move on a busy machine."""
    a_run(lab)
    command = [sys.executable, "-m", "imgexp_tui", str(lab)]
    found = record(command, until=b"finished", columns=80, lines=24, settle=8, environment={"TERM": "xterm-256color"})
    late = b"".join(data for moment, data in found.chunks if moment > found.chunks[-1][0] - 3 and moment > 5)
    rows = {int(row) for row in re.findall(rb"\x1b\[(\d+);\d+H", late)}
    assert rows <= {1, 23}, "the cursor's home and the gauges"
    assert len(late) < 2000


def test_python_runs_the_app_module(lab: Path) -> None:
    """`python -m imgexp_tui` without a terminal says so and what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "imgexp_tui", str(lab)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


async def test_the_cursor_begins_behind_an_empty_bullet(lab: Path) -> None:
    (lab / "experiments.toml").write_text("[versions.v0]\ntakeaways = '''\n-\n'''\n")
    async with LabApp(lab).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Quit")
        await pilot.press("e")
        await shows(pilot, "Dated mark")
        await until(pilot, lambda: not pilot.app.screen.query_one("#takeaways", TextArea).read_only, "the note")
        await pilot.press(*"learns", "escape")
        await shows(pilot, "Quit", "-learns")
    assert (lab / "experiments.toml").read_text() == "[versions.v0]\ntakeaways = '''\n-learns\n'''\n"
