"""What the main screen knows of a lab's runs: which run of a version is shown, and what many of them cost."""

from __future__ import annotations

import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.paths import RUNS
from imgexp_tui.records import events
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.process_identity import ProcessIdentity, identity_of
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.services import run_followers
from imgexp_tui.services.run_follower import VersionRunFollower
from imgexp_tui.services.run_index import RunIndex
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs.panel import run_lines
from imgexp_tui.views.runs.version_table import fit_columns
from imgexp_tui.views.styled import plain_text

FIRST, SECOND, THIRD = (f"2026010{day}-000000-aaaaaa" for day in (1, 2, 3))


class Lab:
    """A lab whose runs are files; the live ones belong to one process that only sleeps."""

    def __init__(self, path: Path, sleeper: ProcessIdentity | None) -> None:
        self.path = path
        self._sleeper = sleeper
        self.seeds = -1

    def run(self, run: str, *losses: float, live: bool = False, waits: bool = False, group: str = "") -> RunDir:
        found, key, now = RunDir(self.path / RUNS / "v0" / run), str(uuid.uuid4()), time.time()
        found.path.mkdir(parents=True)
        seed = self.seeds = self.seeds + 1
        request = Request(
            key, run, "v0", None, {"epochs": 4}, ["true"], "command", seed, str(self.path), "here", "me", now
        )
        replace(request, group=group).write(found)
        trainer, waiting = (None, "this machine busy with v9/x") if waits else (self._sleeper, "")
        Process(key, 1, self._sleeper, trainer, now, waiting=waiting).write(found)
        writer = LineWriter(found.metrics)
        for step, loss in enumerate(losses, 1):
            line = {"step": step, "epoch": step, "time": now, "valid/loss": loss, "valid/accuracy": 1 - loss}
            writer.write(line)
        writer.close()
        if not live and not waits:
            self.end(found)
        return found

    def end(self, run: RunDir) -> None:
        process = Process.read(run)
        assert process
        Exit(process.uuid, process.attempt, 0, None, "finished", "exit code 0", time.time()).write(run)

    def resume(self, run: RunDir) -> None:
        process = Process.read(run)
        assert process
        Process(process.uuid, process.attempt + 1, self._sleeper, self._sleeper, time.time()).write(run)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield Lab(tmp_path, identity_of(sleeper.pid))
    sleeper.kill()
    sleeper.wait()


def settle(runs: RunIndex) -> None:
    while not runs.poll(["v0"], "v0"):
        pass


def test_a_live_run_is_shown_before_a_newer_one_that_has_ended(lab: Lab) -> None:
    older, newer = lab.run(FIRST, 0.5, live=True), lab.run(SECOND, 0.4, 0.3)
    runs = RunIndex(lab.path)
    settle(runs)
    assert (runs.rows["v0"].state, runs.rows["v0"].live, runs.rows["v0"].displayed_run) == ("running", 1, older.run_id)
    shown = runs.displayed_run("v0")
    assert shown and (shown.run, shown.live, shown.step) == (older.run_id, True, 1)
    lab.end(older)
    settle(runs)
    assert (runs.rows["v0"].state, runs.rows["v0"].live, runs.rows["v0"].displayed_run) == ("finished", 0, newer.run_id)


def test_the_newest_of_several_live_runs_is_shown_and_all_are_counted(lab: Lab) -> None:
    lab.run(FIRST, 0.5, live=True)
    second = lab.run(SECOND, 0.4, live=True)
    runs = RunIndex(lab.path)
    settle(runs)
    third = lab.run(THIRD, live=True)
    settle(runs)
    assert (runs.rows["v0"].live, runs.rows["v0"].displayed_run, runs.rows["v0"].runs) == (3, third.run_id, 3)
    lab.end(third)
    settle(runs)
    assert (runs.rows["v0"].live, runs.rows["v0"].displayed_run) == (2, second.run_id)


def test_a_live_older_run_is_not_read_anew_at_every_look(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    older = lab.run(FIRST, 0.5, live=True)
    lab.run(SECOND, 0.4)
    runs = RunIndex(lab.path)
    settle(runs)
    monkeypatch.setattr(run_followers, "FastFollower", None)  # a second view would start from the files' beginning
    writer = LineWriter(older.metrics)
    writer.write({"step": 2, "epoch": 2, "time": 0.0, "valid/loss": 0.25})
    writer.close()
    settle(runs)
    assert runs.rows["v0"].epoch == 2


def test_an_older_run_that_is_resumed_from_outside_is_found(lab: Lab) -> None:
    older = lab.run(FIRST, 0.5)
    lab.run(SECOND, 0.4)
    runs = RunIndex(lab.path)
    settle(runs)
    assert runs.rows["v0"].live == 0
    lab.resume(older)
    settle(runs)
    assert (runs.rows["v0"].live, runs.rows["v0"].displayed_run) == (1, older.run_id)


def test_a_row_is_of_one_run_and_borrows_a_best_only_while_that_has_none(lab: Lab) -> None:
    lab.run(FIRST, 0.2)
    lab.run(SECOND, 0.3)
    newest = lab.run(THIRD, live=True)
    runs = RunIndex(lab.path)
    settle(runs)
    row = runs.rows["v0"]
    assert (row.best, row.accuracy, row.is_from_other_run, row.epoch) == (0.2, 0.8, True, None)
    assert roles(row)["0.2000"] == roles(row)["80 %"] == "quiet"
    writer = LineWriter(newest.metrics)
    writer.write({"step": 1, "epoch": 1, "time": 0.0, "valid/loss": 0.5, "valid/accuracy": 0.5})
    writer.close()
    settle(runs)
    row = runs.rows["v0"]
    assert (row.best, row.accuracy, row.is_from_other_run, row.epoch) == (0.5, 0.5, False, 1)
    assert roles(row)["0.5000"] == "strong"


def roles(row: VersionRow) -> dict[str, str]:
    """The texts of a version's line and their roles."""
    version = parse_notebook("[versions.v0]\n", Path()).versions["v0"]
    layout = fit_columns(120, [version], {"v0": row}, frozenset())
    return dict(layout.version_row(version, row, has_draft=False, is_selected=False))


def test_many_runs_that_have_ended_cost_a_look_only_a_few_stats(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        lab.run(f"20260101-000000-{number:06x}", 0.5)
    runs = RunIndex(lab.path)
    settle(runs)
    asked: list[object] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **how: (asked.append(path), stat(path, **how))[1])
    settle(runs)
    assert runs.rows["v0"].runs == 200
    assert len(asked) < 10


def test_a_live_run_that_writes_anything_stirs(lab: Lab) -> None:
    lab.run(FIRST, 0.5)
    run = lab.run(SECOND, 0.4, live=True)
    runs = RunIndex(lab.path)
    settle(runs)
    runs.has_new_output()
    assert not runs.has_new_output()
    for write in (
        lambda: LineWriter(run.metrics).write({"step": 9, "valid/loss": 0.3}),
        lambda: events.append_event(run, "warning", message="slow"),
        lambda: run.log.write_text("said"),
        lambda: lab.end(run),
    ):
        write()
        assert runs.has_new_output()
        assert not runs.has_new_output()
    settle(runs)
    runs.has_new_output()
    run.log.write_text("said more")
    assert not runs.has_new_output(), "it has ended"


def test_the_editor_s_glance_stays_with_the_live_run(lab: Lab) -> None:
    older, newer = lab.run(FIRST, 0.5, live=True), lab.run(SECOND, 0.4)
    glancer = VersionRunFollower(lab.path, "v0", older.run_id)
    summary = glancer.poll()
    assert summary and (summary.run, summary.live) == (older.run_id, True)
    lab.end(older)
    summary = glancer.poll()
    assert summary and (summary.run, summary.live) == (newer.run_id, False)


def drawn(runs: RunIndex, width: int = 100) -> str:
    shown = runs.displayed_run("v0")
    assert shown
    return "\n".join(map(plain_text, run_lines(shown, width, 24)))


def test_what_is_under_way_is_shown_before_what_waits(lab: Lab) -> None:
    running = lab.run(FIRST, 0.5, live=True)
    lab.run(SECOND, waits=True)
    runs = RunIndex(lab.path)
    settle(runs)
    row = runs.rows["v0"]
    assert (row.displayed_run, row.state, row.live, row.queued) == (running.run_id, "running", 2, 1)


def test_a_run_that_waits_says_for_what(lab: Lab) -> None:
    lab.run(FIRST, waits=True)
    runs = RunIndex(lab.path)
    settle(runs)
    assert "◌ queued   this machine busy with v9/x" in drawn(runs)


def test_seeds_are_shown_as_one_group(lab: Lab) -> None:
    lab.run("20260101-000000-000000", 0.9)  # of no group
    lab.run(FIRST, 0.4, 0.3, group="g")
    lab.run(SECOND, 0.5, live=True, group="g")
    lab.run(THIRD, waits=True, group="g")
    runs = RunIndex(lab.path)
    settle(runs)
    assert runs.rows["v0"].seed_progress == (1, 3)
    assert "seeds         ✓ 1 0.3000   ● 2 0.5000   ◌ 3" in drawn(runs)
    version = parse_notebook("[versions.v0]", lab.path).versions["v0"]
    layout = fit_columns(100, [version], runs.rows, frozenset())
    assert "● running 1/3" in plain_text(
        layout.version_row(version, runs.rows["v0"], has_draft=False, is_selected=False)
    )


def test_a_stop_counts_down(lab: Lab) -> None:
    run = lab.run(FIRST, 0.5, live=True)
    events.append_event(run, "started", attempt=1)
    events.append_event(run, "stopping", "asked to stop", grace=60.0)
    runs = RunIndex(lab.path)
    settle(runs)
    assert re.search(r"stopping .* [012]/60 +(1m 00s|59s|58s) left", drawn(runs))
    events.append_event(run, "resumed", attempt=2)
    settle(runs)
    assert "stopping" not in drawn(runs)


def test_an_attempt_is_marked_on_the_curves(lab: Lab) -> None:
    run = lab.run(FIRST, *([0.9] * 40), live=True)
    runs = RunIndex(lab.path)
    settle(runs)
    assert "┊" not in drawn(runs)
    lab.resume(run)
    events.append_event(run, "resumed", attempt=2)
    writer = LineWriter(run.metrics)
    for step in range(41, 81):
        writer.write({"step": step, "epoch": step, "time": time.time() + 1, "valid/loss": 0.5})
    writer.close()
    settle(runs)
    first, *rest = drawn(runs).splitlines()
    assert "attempt 2 ┊ from step 41" in first
    marked = [line.index("┊") for line in rest if "┊" in line]
    assert len(marked) > 3 and len(set(marked)) == 1
