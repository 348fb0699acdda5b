"""One follower of each run in the process, whoever shows it, from whatever thread."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from pathlib import Path
from weakref import WeakSet

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import events
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.metrics import opening, snapshot_writer
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.jsonl_source import JsonlSource
from imgexp_tui.records.metrics.source import Record
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.services import run_followers
from imgexp_tui.services.charts.session import ChartSession
from imgexp_tui.services.compare import ComparisonReader
from imgexp_tui.services.findings.worker import FindingWorker
from imgexp_tui.services.run_follower import VersionRunFollower
from imgexp_tui.services.run_index import RunIndex
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.charts.model import ChartChoice, ChartRequest
from tests.conftest import NewLab
from tests.helpers import wait_until, write_lines
from tests.support.recorded_runs import a_run

RUN = "20260101-000000-aaaaaa"


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab('[versions.v0]\n[versions.v1]\nbase = "v0"\n')
    a_run(lab, "v0", RUN, [0.5, 0.4])
    a_run(lab, "v1", RUN, [0.4, 0.3], ended=False)
    return lab


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "runs" / "v0" / RUN)
    found.path.mkdir(parents=True)
    return found


def state(run: RunFollower) -> dict[str, object]:
    """All that is known of a run, comparable."""
    return {
        "series": {name: (list(s.steps), list(s.values)) for name, s in run.series.items()},
        "best": run.best(),
        "latest": (run.step, run.epoch, run.time),
        "attempts": run.attempt_starts,
        "epochs": run.epoch_start_times,
        "seconds": (list(run.training_seconds.steps), list(run.training_seconds.values)),
        "peaks": run.peaks,
        "events": run.events,
        "eta": run.eta(),
    }


def whole(run: RunDir) -> RunFollower:
    found = RunFollower(run)
    found.poll()
    return found


def test_all_that_show_a_run_read_it_once(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: dict[str, WeakSet[JsonlSource]] = defaultdict(WeakSet)
    read, read_rows = JsonlSource.read_new, JsonlSource.read_rows

    def counted(source: JsonlSource) -> list[Record]:
        sources[source._path.parent.parent.name].add(source)
        return read(source)

    monkeypatch.setattr(JsonlSource, "read_new", counted)
    main, editor = RunIndex(lab), VersionRunFollower(lab, "v1", RUN)
    comparison = ComparisonReader(lab, list(load_notebook(lab).versions.values()))
    findings = FindingWorker(lab, lambda: None)
    try:
        for _ in range(2):
            while not main.poll(["v0", "v1"], "v1"):
                pass
            summary = editor.poll()
            _, sides = comparison.read()
            wait_until(lambda: findings.findings_for("v1", RUN, ()) is not None, "findings")
        assert summary and summary.best and summary.best[1] == 0.3
        assert [side and side.step for side in sides] == [4, 4]
        assert main.rows["v1"].best == 0.3
        assert {version: len(found) for version, found in sources.items()} == {"v0": 1, "v1": 1}
        # The charts read NumPy columns from one source of their own.
        charted: set[JsonlSource] = set()
        monkeypatch.setattr(JsonlSource, "read_rows", lambda one, *span: (charted.add(one), read_rows(one, *span))[1])
        session = ChartSession(lab, [ChartChoice("v1", RUN)])
        for width in (80, 100):
            session.refresh(ChartRequest(width, 24))
        assert len(charted) == 1 and {version: len(found) for version, found in sources.items()} == {"v0": 1, "v1": 1}
    finally:
        findings.stop()


def test_a_run_that_nobody_shows_is_let_go(run: RunDir) -> None:
    write_lines(run.metrics, [{"step": 1, "valid/loss": 0.5}])
    one, other = run_followers.acquire(run), run_followers.acquire(run)
    assert one.poll() and other.poll()
    assert len([path for path in run_followers._followers if path == run.path]) == 1
    del one
    assert run.path in run_followers._followers
    del other
    assert run.path not in run_followers._followers


def test_each_handle_is_told_of_a_change_once(run: RunDir) -> None:
    write_lines(run.metrics, [{"step": 1, "valid/loss": 0.5}])
    one, other = run_followers.acquire(run), run_followers.acquire(run)
    assert one.poll() and other.poll()
    assert not one.poll() and not other.poll()
    series = other.series["valid/loss"]
    write_lines(run.metrics, [{"step": 2, "valid/loss": 0.25}])
    assert one.poll() and one.step == 2
    assert (other.step, list(series.values)) == (1, [0.5]), "it has not asked yet"
    assert other.poll() and other.series["valid/loss"] is series and list(series.values) == [0.5, 0.25]
    assert not one.poll() and not other.poll()


@pytest.mark.parametrize("seed", range(8))
def test_a_handle_knows_what_a_follower_by_itself_knows(run: RunDir, seed: int) -> None:
    """Resumes, repeated steps, samples of the machine and replaced files, with handles that ask at odd times."""
    dice, step, moment = random.Random(seed), 0, 1000.0
    handles = [run_followers.acquire(run, exact=bool(seed % 2)) for _ in range(3)]
    builders = [CurveBuilder("train/loss") for _ in handles]
    for turn in range(40):
        for _ in range(dice.randrange(6)):
            step, moment = max(0, step + dice.choice([1, 1, 1, 0, 2, -1, -dice.randrange(20)])), moment + 1
            line: Record = {"step": step, "epoch": step // 10, "time": moment, "train/loss": dice.random()}
            write_lines(run.metrics, [line | ({"valid/loss": dice.random()} if dice.random() < 0.3 else {})])
        if dice.random() < 0.2:
            write_lines(run.system, [{"time": moment, "tree/memory": dice.random(), "gpu0/utilization": 50.0}])
        if dice.random() < 0.1:
            events.append_event(run, "resumed", attempt=turn + 2, time=moment)
        if dice.random() < 0.05:
            run.metrics.unlink(missing_ok=True)
            step = 0
            write_lines(run.metrics, [{"step": 0, "time": moment, "train/loss": 0.5}])
        for handle, builder in zip(handles, builders, strict=True):
            if dice.random() < 0.4:
                handle.poll()
                if "train/loss" in handle.series:
                    builder.update(handle.series["train/loss"])
    # Of a file that was replaced, a follower by itself that begins now has not seen the former attempts.
    expected = state(whole(run))
    for handle in handles:
        handle.poll()
        known = state(handle)
        for key in ("series", "best", "latest", "peaks", "events"):
            assert known[key] == expected[key], key


def test_threads_see_data_that_belong_together(run: RunDir) -> None:
    writing, problems = threading.Event(), []
    writing.set()

    def look() -> None:
        handle = run_followers.acquire(run)
        going = True
        while going:
            going = writing.is_set()
            handle.poll()
            for series in handle.series.values():
                steps = list(series.steps)
                if len(steps) != len(series.values) or steps != sorted(set(steps)) or steps[-1] > (handle.step or 0):
                    problems.append(steps)
        if state(handle) != state(whole(run)):
            problems.append("at the end")

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    writer, dice, step = LineWriter(run.metrics), random.Random(1), 0
    for i in range(3000):
        step = max(1, step + (1 if dice.random() < 0.99 else -dice.randrange(30)))
        writer.write({"step": step, "epoch": 1, "time": 1000.0 + i, "a": dice.random(), "b": 1.0})
    writer.close()
    writing.clear()
    for thread in threads:
        thread.join()
    assert not problems


def test_who_needs_every_value_of_a_long_record_reads_it_alone(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LONG_RECORD_BYTES", 20_000)
    write_lines(run.metrics, [{"step": s, "time": 1.0 * s, "valid/loss": 1 / s} for s in range(1, 3001)])
    snapshot_writer.main([str(run.path)])
    fast, exact = run_followers.acquire(run), run_followers.acquire(run, exact=True)
    assert fast.poll() and exact.poll()
    assert len(fast.series["valid/loss"].steps) < 3000 == len(exact.series["valid/loss"].steps)
    assert fast.best() == exact.best()


def test_a_record_that_grows_long_keeps_every_value_for_who_needs_it(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgexp_tui.records.metrics import fast_follower

    monkeypatch.setattr(fast_follower, "_BACKLOG_BYTES", 10_000)
    write_lines(run.metrics, [{"step": 1, "time": 1.0, "valid/loss": 1.0}])
    fast, exact = run_followers.acquire(run), run_followers.acquire(run, exact=True)
    exact.poll()
    write_lines(run.metrics, [{"step": s, "time": 1.0 * s, "valid/loss": 1 / s} for s in range(2, 3001)])
    for _ in range(2):
        fast.poll()
        exact.poll()
    assert len(fast.series["valid/loss"].steps) == len(exact.series["valid/loss"].steps) == 3000
    assert not run.cache.exists()
    del exact
    fast.poll()
    wait_until(lambda: (fast.poll(), len(fast.series["valid/loss"].steps) < 3000)[1], "the overview")
