"""Long runs on the main screen: there at once, soon whole, the same as when read line by line."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import pytest

from imgexp_tui.records import events
from imgexp_tui.records.alerts import AlertDetector
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.metrics import fast_follower, opening, snapshot_writer
from imgexp_tui.records.metrics.fast_follower import FastFollower
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.views.charts.curve import CurveBuilder


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "runs" / "v0" / "20261124-081530-3fa2c1")
    found.path.mkdir(parents=True)
    return found


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records from 50 KB on are opened as long ones are."""
    monkeypatch.setattr(opening, "LONG_RECORD_BYTES", 50_000)


def write(run: RunDir, first: int, last: int, begin: float = 1000.0, spike: int = 0) -> None:
    writer, dice = LineWriter(run.metrics), random.Random(first)
    for s in range(first, last + 1):
        loss = 9.5 if s == spike else math.nan if s % 997 == 0 else 1 / s + dice.random() / 100
        line: dict[str, Any] = {"step": s, "epoch": (s - 1) // 100 + 1, "time": begin + s, "train/loss": loss}
        writer.write(line)
        if s % 100 == 0:
            writer.write(line | {"valid/loss": 1 / s + dice.random() / 10, "valid/accuracy": 1 - 1 / s})
    writer.close()


def whole(view: FastFollower, seconds: float = 30) -> FastFollower:
    deadline = time.monotonic() + seconds
    view.poll()
    while view.is_partial or view._opening.is_waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        view.poll()
    return view


def plain(run: RunDir) -> RunFollower:
    view = RunFollower(run)
    view.poll()
    return view


def same(quick: RunFollower, slow: RunFollower) -> None:
    """All that the screen shows of both is the same."""
    assert quick.best() == slow.best()
    assert (quick.step, quick.epoch, quick.time, quick.attempt_starts) == (
        slow.step,
        slow.epoch,
        slow.time,
        slow.attempt_starts,
    )
    assert quick.epoch_start_times == slow.epoch_start_times
    assert (quick.training_seconds.steps, list(quick.training_seconds.values)) == (
        slow.training_seconds.steps,
        pytest.approx(slow.training_seconds.values),
    )
    assert quick.last_metrics() == pytest.approx(slow.last_metrics(), nan_ok=True)
    for name in slow.series:
        a, b = (CurveBuilder(name).update(view.series[name]) for view in (quick, slow))
        assert a is not None and b is not None
        assert (a.bucket_size, a.non_finite, a.last_step, a.best) == (b.bucket_size, b.non_finite, b.last_step, b.best)
        assert list(a.lows) == pytest.approx(list(b.lows), nan_ok=True)
        assert list(a.highs) == pytest.approx(list(b.highs), nan_ok=True)


def test_a_long_run_is_there_at_once_and_soon_whole(run: RunDir) -> None:
    write(run, 1, 5000, spike=3777)
    view = FastFollower(run)
    assert view.poll() and view.is_partial
    assert view.step == 5000
    assert view.series["train/loss"].steps[0] == 1
    same(whole(view), plain(run))
    assert max(v for v in view.series["train/loss"].values if math.isfinite(v)) == 9.5
    assert len(view.series["train/loss"].values) < 5000
    again = FastFollower(run)
    again.poll()
    assert not again.is_partial, "it was opened from the cache"
    same(again, plain(run))


def test_what_is_appended_to_a_long_run_follows(run: RunDir) -> None:
    write(run, 1, 3000)
    view = whole(FastFollower(run))
    write(run, 3001, 3100)
    view.poll()
    same(view, plain(run))


def test_a_long_run_that_was_resumed_goes_back(run: RunDir) -> None:
    write(run, 1, 3000)
    events.append_event(run, "resumed", attempt=2, time=6000.0)
    write(run, 2501, 3200, begin=4000.0)
    view = whole(FastFollower(run))
    assert view.attempt_starts == {2: 2501}
    events.append_event(run, "resumed", attempt=3, time=10_000.0)
    write(run, 3101, 3300, begin=8000.0)
    view.poll()
    slow = plain(run)
    assert view.attempt_starts == slow.attempt_starts == {2: 2501, 3: 3101}
    assert view.step == slow.step == 3300
    assert view.last_metrics() == pytest.approx(slow.last_metrics(), nan_ok=True)


def test_a_run_that_grows_long_stays_small(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_follower, "_BACKLOG_BYTES", 100_000)
    view = FastFollower(run)
    for first in range(1, 8001, 500):
        write(run, first, first + 499)
        whole(view)
    same(view, plain(run))
    assert len(view.series["train/loss"].values) < 6000


def test_a_record_that_was_replaced_is_read_anew(run: RunDir) -> None:
    write(run, 1, 3000)
    view = whole(FastFollower(run))
    run.metrics.unlink()
    write(run, 1, 20)
    view.poll()
    same(view, plain(run))


def test_a_run_nobody_can_build_for_is_read_here(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, 1, 3000)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    same(whole(FastFollower(run)), plain(run))


def test_long_runs_are_read_one_after_the_other(tmp_path: Path) -> None:
    views = []
    for i in range(3):
        folder = RunDir(tmp_path / "runs" / "v0" / f"20261124-08153{i}-3fa2c1")
        folder.path.mkdir(parents=True)
        write(folder, 1, 2000)
        views.append(FastFollower(folder))
    for view in views:
        view.poll()
    assert len(opening.RecordOpening._queued_jobs) == 1
    for view in views:
        whole(view)
        same(view, plain(view.run_dir))


@pytest.mark.parametrize("seed", range(4))
def test_an_overview_has_every_extreme(run: RunDir, seed: int) -> None:
    dice = random.Random(seed)
    writer = LineWriter(run.metrics)
    for s in range(1, 6000, dice.choice([1, 3])):
        value = dice.choice([dice.random(), dice.random(), dice.random(), math.nan, math.inf])
        writer.write({"step": s, "epoch": s / 100, "time": float(s), "train/loss": value, "valid/accuracy": -value})
    writer.close()
    assert snapshot_writer.main([str(run.path)]) == snapshot_writer.EXIT_STORED
    view = FastFollower(run)
    view.poll()
    assert not view.is_partial
    same(view, plain(run))


def test_what_an_overview_tells_is_no_news_and_a_later_best_has_to_be_better(tmp_path: Path) -> None:
    detector = AlertDetector(RunDir(tmp_path / "v0" / "run"))
    detector.restore_bests({"valid/loss": ([1, 2, 3], [0.5, math.nan, 0.3]), "train/loss": ([], [])})
    now = time.time()
    for step, value in ((4, 0.4), (5, math.nan)):
        detector.add_line({"step": step, "epoch": 1, "time": now, "attempt": 1, "valid/loss": value})
    assert detector.take_new() == []
    detector.add_line({"step": 6, "epoch": 1, "time": now, "attempt": 1, "valid/loss": 0.2})
    assert [alert.kind for alert in detector.take_new()] == ["best"]
