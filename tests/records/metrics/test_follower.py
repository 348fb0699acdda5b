"""A run's view while its files grow."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgexp_tui.records import events, jsonl
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.run_state import best_run
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.rundir import RunDir, create_run_dir
from imgexp_tui.records.status import State
from imgexp_tui.records.system.stats import format_utilization, measured_stats
from imgexp_tui.records.system.utilization import UtilizationHistogram

BEGAN = 1_000_000.0


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = create_run_dir(tmp_path, "v0")
    Request("u", made.run_id, "v0", None, {"epochs": 3}, ["true"], "shipped", 0, "/", "h", "me", BEGAN).write(made)
    return made


def log(run: RunDir, step: int, **metrics: Any) -> None:
    named = {name.replace("__", "/"): value for name, value in metrics.items()}
    jsonl.append_line(run.metrics, {"step": step, "epoch": 1 + (step - 1) // 10, "time": BEGAN + step} | named)


def system(run: RunDir, second: float, **values: float) -> None:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    jsonl.append_line(run.system, {"time": BEGAN + second} | named)


def attempt(run: RunDir, number: int, started: float) -> None:
    me = identity_of(os.getpid())
    Process("u", number, me, me, started).write(run)


def seen(run: RunDir) -> RunFollower:
    view = RunFollower(run)
    view.poll()
    return view


def test_curves_grow_and_the_last_value_of_a_step_wins(run: RunDir) -> None:
    view = RunFollower(run)
    log(run, 1, train__loss=0.7)
    assert view.poll()
    log(run, 2, train__loss=0.6)
    log(run, 2, train__loss=0.5, valid__loss=0.65)
    view.poll()
    assert list(view.series["train/loss"].steps) == [1, 2]
    assert list(view.series["train/loss"].values) == [0.7, 0.5]
    assert (view.step, view.epoch, view.last_metrics()) == (2, 1, {"train/loss": 0.5, "valid/loss": 0.65})


def test_steps_that_go_back_void_what_came_after_them_in_every_metric(run: RunDir) -> None:
    for step in range(1, 21):
        log(run, step, train__loss=1.0 / step)
    log(run, 20, valid__loss=0.1)
    log(run, 16, train__loss=9.0)
    view = seen(run)
    assert list(view.series["train/loss"].steps) == list(range(1, 17))
    assert view.series["train/loss"].last == 9.0
    assert view.series["valid/loss"].last is None  # it belongs to a step that is to come again
    assert view.step == 16
    best = view.best()
    assert best and (best.metric, best.step) == ("train/loss", 15)


def test_the_line_of_an_epoch_keeps_that_of_its_last_step(run: RunDir) -> None:
    log(run, 10, train__loss=0.5, gradient_norm__head=2.0)
    log(run, 10, valid__loss=0.6, valid__accuracy=0.7)
    best = seen(run).best()
    assert best and best.value == 0.6 and best.epoch == 1
    assert best.other_metrics == {"train/loss": 0.5, "gradient_norm/head": 2.0, "valid/accuracy": 0.7}


def test_what_is_not_finite_never_is_the_best(run: RunDir) -> None:
    log(run, 1, valid__loss=math.nan)
    log(run, 2, valid__loss=0.4)
    log(run, 3, valid__loss=-math.inf)
    view = seen(run)
    best = view.best()
    assert best and best.value == 0.4
    assert math.isnan(view.series["valid/loss"].values[0])
    for value in (math.nan, math.inf):
        log(run, 4, train__loss=value)
    view.poll()
    assert view.last_metrics()["train/loss"] == math.inf


@pytest.mark.parametrize("step", [None, "1", 1.5, -1, 1 << 63, True, [1]])
def test_a_step_that_is_none_is_passed_over(run: RunDir, step: Any) -> None:
    jsonl.append_line(run.metrics, {"step": step, "train/loss": 1.0})
    jsonl.append_line(run.metrics, {"step": 2, "train/loss": 0.5, "note": "text", "flag": True, "epoch": "nan"})
    view = seen(run)
    assert view.step == 2 or step is True
    assert set(view.series) == {"train/loss"}
    assert view.best()


def test_replaced_metrics_start_the_curves_anew(run: RunDir) -> None:
    log(run, 1, train__loss=0.7)
    log(run, 2, train__loss=0.6, old__metric=1.0)
    view = seen(run)
    other = RunDir(run.path / "other")
    other.path.mkdir()
    log(other, 5, train__loss=0.1)
    other.metrics.replace(run.metrics)
    view.poll()
    assert view.last_metrics() == {"train/loss": 0.1}
    assert list(view.series["train/loss"].steps) == [5]
    best = view.best()
    assert best and best.epoch == 1


def test_an_ended_run_is_left_alone_until_it_is_resumed(run: RunDir) -> None:
    attempt(run, 1, BEGAN)
    log(run, 1, train__loss=0.7)
    Exit("u", 1, 143, None, "stopped", "as asked", time.time()).write(run)
    view = seen(run)
    assert view.status.state is State.STOPPED
    log(run, 2, train__loss=0.6)
    assert not view.poll() and view.step == 1
    attempt(run, 2, BEGAN + 100)  # by another process: nobody tells this view
    assert view.poll()
    assert (view.status.state, view.status.attempt, view.step) == (State.RUNNING, 2, 2)


def test_time_left_follows_the_pace_of_this_attempt(run: RunDir) -> None:
    attempt(run, 1, BEGAN)
    events.append_event(run, "plan", epochs=3, steps_per_epoch=10, chance={"valid/loss": 0.6931, "x": "high"})
    for step in range(1, 11):
        log(run, step, train__loss=1.0)
    view = seen(run)
    assert view.eta() == pytest.approx(20.0)
    assert view.epoch_progress() == (10, 10)
    assert view.chance == {"valid/loss": 0.6931}
    attempt(run, 2, BEGAN + 1000)
    for step, moment in ((11, 1000.0), (12, 1005.0)):
        jsonl.append_line(run.metrics, {"step": step, "epoch": 2, "time": BEGAN + moment})
    view.poll()
    assert view.eta() == pytest.approx(18 * 5.0)
    assert seen(run).eta() == pytest.approx(18 * 5.0)


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_changes_neither_pace_nor_gauge(run: RunDir, jump: float) -> None:
    """Two seconds a step before and after; the jump lies between two lines."""
    attempt(run, 1, 1000.0)
    events.append_event(run, "plan", epochs=1, steps_per_epoch=100)
    for step in range(1, 51):
        moment = 1000.0 + 2 * step + (jump if step > 25 else 0)
        jsonl.append_line(run.metrics, {"step": step, "time": moment, "train/loss": 1.0})
        jsonl.append_line(run.system, {"time": moment, "gpu0/utilization": 90})
    view = seen(run)
    assert view.eta() == pytest.approx(100.0)
    assert 2 * 47 < view.utilization_histograms["gpu0/utilization"].total_seconds <= 2 * 48 + 30


def test_a_trainer_with_a_line_every_quarter_of_an_hour_has_a_pace(run: RunDir) -> None:
    attempt(run, 1, 1000.0)
    events.append_event(run, "plan", epochs=1, steps_per_epoch=10)
    for step in range(1, 5):
        jsonl.append_line(run.metrics, {"step": step, "time": 1000.0 + 900 * step, "train/loss": 1.0})
    assert seen(run).eta() == pytest.approx(6 * 900)


def test_downloads_come_and_go(run: RunDir) -> None:
    events.append_event(run, "progress", what="download", done=3, total=10, unit="MB")
    view = seen(run)
    assert view.progress and (view.progress.done, view.progress.total) == (3, 10)
    events.append_event(run, "progress", what="download", done=10, total=10, unit="MB")
    view.poll()
    assert view.progress is None
    assert view.events == []


def test_stats_speak_as_the_notes_do(run: RunDir) -> None:
    mega = 1024 * 1024
    for second in range(10):  # before the first step: must not count
        system(run, second, gpu0__utilization=0.0)
    log(run, 10, images_per_second=228.4, time__data=0.3, time__compute=0.1)
    log(run, 10, time__epoch_train=70.2, time__epoch_valid=3.21)
    for second in range(10, 111):
        busy = second % 8 == 0
        system(
            run,
            second,
            tree__memory=(2000 + second) * mega,
            host__memory_total=30147 * mega,
            gpu0__utilization=98.0 if busy else 0.0,
            gpu0__memory=3000 * mega,
            gpu0__tree_memory=1985 * mega,
            gpu0__memory_total=8126 * mega,
            gpu1__utilization=50.0,
            gpu1__memory=10 * mega,
        )
    assert dict(measured_stats(seen(run))) == {
        "GPU Memory Usage": "1,985/8,126 MB",
        "GPU Utilization": "swings between 0 and 98 %, above 90 % in 12 % of the time",
        "CPU Memory": "2,110/30,147 MB (peak; +60 MB/min)",
        "Epoch time (train)": "~70 s",
        "Epoch time (valid)": "~3.2 s",
        "Images per second": "~228",
        "Waiting for data": "75 % of the time",
    }


@pytest.mark.parametrize(
    ("pace", "text"), [(8.5103, "~8.5"), (0.8561, "~0.86"), (85.12, "~85.1"), (228.4, "~228"), (1234.5, "~1,230")]
)
def test_a_pace_has_no_more_digits_than_it_is_worth(run: RunDir, pace: float, text: str) -> None:
    log(run, 1, images_per_second=pace)
    assert dict(measured_stats(seen(run)))["Images per second"] == text


def test_nothing_is_stated_that_was_not_measured(run: RunDir) -> None:
    assert measured_stats(seen(run)) == []
    system(run, 1, gpu0__utilization=3.0, gpu0__memory=5.0)
    events.append_event(run, "plan", device="cpu")
    assert measured_stats(seen(run)) == []


def test_memory_that_the_driver_does_not_tell_apart_is_marked(run: RunDir) -> None:
    events.append_event(run, "plan", device="cuda:1")
    system(run, 1, gpu0__memory=1 << 30, gpu1__memory=2 << 30, gpu1__memory_total=8 << 30)
    assert measured_stats(seen(run)) == [("GPU Memory Usage", "2,048/8,192 MB (all processes)")]


@pytest.mark.parametrize(
    ("percents", "sentence"),
    [
        ([99] * 50, "steady at about 99 %"),
        ([0, 98] * 50, "swings between 0 and 98 %, above 90 % in 50 % of the time"),
        ([99] * 95 + [50] * 6, "mostly at 99 %, sometimes down to 50 %"),
        ([0, 60] * 50, "swings between 0 and 60 %, never above 90 %"),
    ],
)
def test_how_a_gauge_spent_its_time(percents: list[float], sentence: str) -> None:
    gauge = UtilizationHistogram()
    for percent in percents:
        gauge.add(percent, 1.0)
    assert format_utilization(gauge) == sentence


def test_a_gap_in_the_samples_does_not_count_as_time_spent() -> None:
    gauge = UtilizationHistogram()
    gauge.add(100.0, 86_400.0)
    gauge.add(math.nan, 1.0)
    gauge.add(0.0, -5.0)
    assert gauge.total_seconds == 30.0


def test_memory_that_torch_counted_stands_in_where_the_driver_does_not_know_the_run(run: RunDir) -> None:
    events.append_event(run, "plan", device="cuda:0")
    system(run, 1, gpu0__memory=5 << 30, gpu0__memory_total=8 << 30)
    for step, peak in ((1, 1 << 30), (2, 2 << 30)):
        log(run, step, memory__gpu_peak=peak)
    assert measured_stats(seen(run)) == [("GPU Memory Usage", "2,048/8,192 MB (torch's own)")]


def test_a_run_on_a_part_of_a_card_is_not_measured_against_all_of_it(run: RunDir) -> None:
    system(run, 1, gpu0__memory=5 << 30, gpu0__memory_total=8 << 30, gpu0__tree_memory=1 << 30, gpu0__mig1__memory=0)
    assert measured_stats(seen(run)) == [("GPU Memory Usage", "1,024 MB")]


@pytest.mark.parametrize(
    ("course", "growth"),
    [
        (lambda s: 2000, "level"),
        (lambda s: 2000 + 500 * (s // 20 % 2), "level"),  # up and down is no leak
        (lambda s: 2000 + s / 6, "+10 MB/min"),
        (lambda s: 2000 + min(s, 305), "+60 MB/min, level since epoch 31"),
        (lambda s: 3000 - min(s, 305), "-60 MB/min, level since epoch 31"),
    ],
)
def test_how_memory_went_is_told_with_its_rate_and_since_when_it_is_level(
    run: RunDir, course: Callable[[int], float], growth: str
) -> None:
    mega = 1024 * 1024
    for second in range(60):  # before the first step: does not count
        system(run, second - 60, tree__memory=10.0 * mega * second)
    for second in range(1, 1000, 2):
        log(run, second, train__loss=1.0)  # an epoch in ten seconds
        system(run, second, tree__memory=course(second) * mega)
    (text,) = [text for label, text in measured_stats(seen(run)) if label == "CPU Memory"]
    assert text.endswith(f"(peak; {growth})")


def test_memory_of_an_earlier_attempt_is_no_part_of_this_ones_course(run: RunDir) -> None:
    for second in range(1, 1000, 2):
        log(run, second, train__loss=1.0)
        system(run, second, tree__memory=1e9 if second < 500 else 3e9)
    attempt(run, 2, BEGAN + 500)
    assert dict(measured_stats(seen(run)))["CPU Memory"].endswith("(peak; level)")


def test_the_best_of_several_runs_is_judged_by_one_metric(tmp_path: Path) -> None:
    views = []
    for values in ({"train__loss": 0.01}, {"valid__loss": 0.5}, {"valid__loss": 0.4}):
        run = create_run_dir(tmp_path, "v0")
        log(run, 1, **values)
        views.append(seen(run))
    found = best_run(views)
    assert found and found[0] is views[2] and found[1].value == 0.4
    assert best_run([]) is None


@pytest.mark.parametrize("polls", ["once", "as it grows"])
def test_an_attempt_is_marked_where_it_begins(run: RunDir, polls: str) -> None:
    view = RunFollower(run)

    def happened(kind: str, second: float, **more: int) -> None:
        jsonl.append_line(run.events, {"time": BEGAN + second, "kind": kind, "message": "", **more})
        if polls != "once":
            view.poll()

    happened("started", 0, attempt=1)
    for step in range(1, 9):
        log(run, step, train__loss=0.7)
    happened("resumed", 8.5, attempt=2)
    for step in (6, 7, 8, 9):  # from the checkpoint of step 5, later
        jsonl.append_line(run.metrics, {"step": step, "time": BEGAN + 10 + step, "train/loss": 0.6})
    view.poll()
    assert view.attempt_starts == {2: 6}
    happened("resumed", 30, attempt=3)
    jsonl.append_line(run.metrics, {"step": 10, "time": BEGAN + 31, "train/loss": 0.6})
    view.poll()
    assert view.attempt_starts == {2: 6, 3: 10}
    happened("resumed", 40, attempt=4)
    jsonl.append_line(run.metrics, {"step": 4, "time": BEGAN + 41, "train/loss": 0.6})
    view.poll()
    assert view.attempt_starts == {4: 4}  # it does again what the others did


def test_an_attempt_is_marked_though_the_clock_was_set_back(run: RunDir) -> None:
    for step in (1, 2, 3):
        log(run, step, train__loss=0.7)
    jsonl.append_line(run.events, {"time": BEGAN + 100, "kind": "resumed", "message": "", "attempt": 2})
    log(run, 2, train__loss=0.6)
    assert seen(run).attempt_starts == {2: 2}
