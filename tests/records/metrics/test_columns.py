"""Curves as columns: the numbers that reading by line finds, every extreme at every zoom, a cache not trusted."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgexp_tui.records import events
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.metrics import history, opening, parts, snapshot, snapshot_writer
from imgexp_tui.records.metrics.columns import MetricColumns, append_rows, epochs_at_steps, load_columns
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.history import Axis, MetricHistory
from imgexp_tui.records.metrics.jsonl_columns import parse_rows, read_rows
from imgexp_tui.records.metrics.jsonl_source import sample_lines
from imgexp_tui.records.metrics.minmax import MinMaxPyramid
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir
from tests.helpers import write_lines


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "runs" / "v0" / "20261124-081530-3fa2c1")
    found.path.mkdir(parents=True)
    return found


@pytest.fixture
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records from 20 KB on are opened as long ones are."""
    monkeypatch.setattr(opening, "LONG_RECORD_BYTES", 20_000)
    monkeypatch.setattr(history, "LONG_RECORD_BYTES", 20_000)


def curve(count: int, spike: int = 0) -> list[dict[str, Any]]:
    return [
        {"step": s, "epoch": (s - 1) // 100 + 1, "time": 1000.0 + s, "train/loss": 9.5 if s == spike else 1 / s}
        for s in range(1, count + 1)
    ]


def settled(found: MetricHistory, seconds: float = 30) -> MetricHistory:
    """Polled until the whole is there."""
    deadline = time.monotonic() + seconds
    found.poll()
    while found.is_partial or found.poll():
        assert time.monotonic() < deadline
        time.sleep(0.01)
        found.poll()
    return found


def numbers(found: MetricHistory, metric: str) -> list[tuple[int, float]]:
    return [
        (int(s), float(v))
        for part in found._parts.parts
        if metric in part.series
        for s, v in zip(*part.series[metric], strict=True)
    ]


def as_read_line_by_line(run: RunDir) -> dict[str, list[tuple[int, float]]]:
    view = RunFollower(run)
    view.poll()
    return {name: list(zip(s.steps, s.values, strict=True)) for name, s in view.series.items() if s.values}


def same(a: list[tuple[int, float]], b: list[tuple[int, float]]) -> bool:
    return [s for s, _ in a] == [s for s, _ in b] and np.array_equal(
        [v for _, v in a], [v for _, v in b], equal_nan=True
    )


@pytest.mark.parametrize("seed", range(25))
def test_columns_hold_what_reading_line_by_line_finds(run: RunDir, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumes, odd values, torn lines, holes and strange lines, appended in pieces."""
    monkeypatch.setattr(parts, "_MAX_PART_ROWS", 40)
    dice = random.Random(seed)
    found, step = MetricHistory(run), 0
    for _ in range(6):
        with run.metrics.open("ab") as file:
            for _ in range(dice.randrange(60)):
                step = max(0, step + dice.choice([1, 1, 1, 1, 0, 2, dice.choice([1, -dice.randrange(1, 30)])]))
                line: dict[str, Any] = {"step": step, "epoch": step // 10, "time": float(step)}
                for name in dice.sample(["a/loss", "b/loss", "c"], dice.randrange(4)):
                    line[name] = dice.choice(
                        [dice.random(), dice.random(), 3, "nan", "inf", "-inf", None, True, "text"]
                    )
                file.write(json.dumps(line).encode() + b"\n")
                file.write(
                    dice.choice([b""] * 12 + [b'{"step": 3, "a/lo\n', b"\0\0\0\0", b"[1]\n", b"\n", b'{"step":-1}\n'])
                )
        found.poll()
    expected = as_read_line_by_line(run)
    assert {name for name in found.metric_names if numbers(found, name)} == set(expected)
    for name, values in expected.items():
        assert same(numbers(found, name), values), name


@pytest.mark.parametrize("seed", range(10))
def test_any_stretch_has_the_extremes_of_its_values(seed: int) -> None:
    dice = np.random.default_rng(seed)
    values = dice.random(int(dice.integers(0, 3000)))
    values[dice.random(len(values)) < 0.05] = dice.choice([np.nan, np.inf, -np.inf])
    a, b = dice.integers(0, len(values) + 1, (2, 200))
    found = MinMaxPyramid(values).range_stats(a, b)
    for i, (start, stop) in enumerate(zip(a, b, strict=True)):
        fine = values[start : max(start, stop)]
        assert found.count[i] == len(fine)
        assert found.not_finite[i] == (~np.isfinite(fine)).sum()
        fine = fine[np.isfinite(fine)]
        assert found.low[i] == fine.min() if len(fine) else math.isnan(found.low[i])
        assert found.high[i] == fine.max() if len(fine) else math.isnan(found.high[i])
        assert math.isclose(found.total[i], fine.sum(), rel_tol=1e-9)


def test_a_line_with_true_and_a_line_of_two_are_no_numbers() -> None:
    rows = parse_rows(b'{"step":1,"a":1}\n{"step":2,"a":true}\n{"step":3,"a":2}\n')
    assert rows.columns["a"][1].tolist() == [1.0, 2.0]
    rows = parse_rows(b'{"step":1,"mse":1}\n{"step":2,"mse":false}\n{"step":3,"mse":2}\n')
    assert rows.columns["mse"][1].tolist() == [1.0, 2.0]
    # Joined by a comma these two would be one object.
    assert len(parse_rows(b'{"step":1\n"a":2}\n{"step":5,"a":1}\n')) == 1


def test_several_processes_read_what_one_reads(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = curve(3000, spike=777)
    for line in lines[1000:1500]:
        line["valid/loss"] = math.nan if line["step"] % 7 == 0 else 2.0
    write_lines(run.metrics, lines)
    whole, end = read_rows(run.metrics, 0, run.metrics.stat().st_size)
    monkeypatch.setattr(snapshot_writer, "_PARALLEL_BYTES", 1000)
    monkeypatch.setattr(snapshot_writer.os, "sched_getaffinity", lambda _: {0, 1, 2})
    shared, offset = snapshot_writer._read_new_rows(open_source(run), 0)
    assert (offset, len(shared)) == (end, 3000)
    assert shared.steps.tolist() == whole.steps.tolist()
    assert shared.times.tolist() == whole.times.tolist()
    assert shared.columns.keys() == whole.columns.keys()
    for name, (rows, values) in whole.columns.items():
        assert shared.columns[name][0].tolist() == rows.tolist()
        assert shared.columns[name][1].tolist() == pytest.approx(values.tolist(), nan_ok=True)


def test_reading_stops_at_a_line_that_is_not_whole(run: RunDir) -> None:
    run.metrics.write_bytes(b'{"step":1,"a":1}\n{"step":2,"a"')
    rows, offset = read_rows(run.metrics, 0, 1000)
    assert rows.steps.tolist() == [1]
    assert offset == 17


def test_a_spike_of_one_step_is_in_every_window_that_holds_it(run: RunDir, short_is_long: None) -> None:
    write_lines(run.metrics, curve(5000, spike=3777))
    found = settled(MetricHistory(run))
    for x0, x1, buckets in ((0, 5000, 100), (0, 5000, 7), (3000, 4000, 80), (3777, 3777, 1), (3770, 3780, 10)):
        window = found.buckets_between("train/loss", x0, x1, buckets)
        at = int(np.nanargmax(window.high))
        assert window.high[at] == 9.5
        assert window.edges[at] <= 3777 <= window.edges[at + 1]
    extremes = found.extremes("train/loss")
    assert extremes is not None and (extremes.high, extremes.high_step) == (9.5, 3777)
    assert found.nearest_point("train/loss", 3777.2) == history.MetricPoint(3777, pytest.approx(37.77), 3776.0, 9.5)


def test_a_long_record_is_sampled_at_once_and_whole_soon_after(run: RunDir, short_is_long: None) -> None:
    write_lines(run.metrics, curve(20_000, spike=7777))
    found = MetricHistory(run)
    assert found.poll() and found.is_partial
    assert found.last_step == 20_000
    assert len(numbers(found, "train/loss")) < 20_000
    settled(found)
    assert len(numbers(found, "train/loss")) == 20_000
    assert (run.cache / snapshot.FILE_NAME).exists()
    again = MetricHistory(run)
    again.poll()
    assert not again.is_partial, "it was opened from the cache"
    write_lines(run.metrics, [{"step": 15_000, "train/loss": 0.5}, {"step": 15_001, "train/loss": "nan"}])
    again.poll()
    assert numbers(again, "train/loss")[-3:][0] == (14_999, 1 / 14_999)
    assert again.last_step == 15_001
    assert again.buckets_between("train/loss", 15_001, 15_001, 1).not_finite.tolist() == [1]


def test_a_record_that_was_rewritten_or_cut_is_read_anew(run: RunDir, short_is_long: None) -> None:
    write_lines(run.metrics, curve(3000))
    settled(MetricHistory(run))
    text = run.metrics.read_bytes()
    run.metrics.write_bytes(
        text[: len(text) // 2].replace(b'"train/loss":0', b'"train/loss":3') + text[len(text) // 2 :]
    )
    assert snapshot.open_snapshot(run.cache, open_source(run)) is None
    found = settled(MetricHistory(run))
    assert dict(numbers(found, "train/loss"))[500] == pytest.approx(3 + 1 / 500)
    run.metrics.write_bytes(b"".join(text.splitlines(keepends=True)[:10]))
    found.poll()
    assert len(numbers(found, "train/loss")) == 10


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_snapshot_is_never_believed(run: RunDir, seed: int) -> None:
    write_lines(run.metrics, curve(2000, spike=1234))
    assert snapshot_writer.main([str(run.path)]) == snapshot_writer.EXIT_STORED
    file = run.cache / snapshot.FILE_NAME
    data, dice = bytearray(file.read_bytes()), random.Random(seed)
    if seed % 3 == 0:
        del data[dice.randrange(len(data)) :]
    elif seed % 3 == 1:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    else:
        at = dice.randrange(len(data))
        data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    file.write_bytes(data)
    if (found := snapshot.open_snapshot(run.cache, open_source(run))) is not None:
        try:
            columns, overview = load_columns(found), found.overview()
        except snapshot.SnapshotDamaged:
            pass
        else:  # the flipped bit was in the padding
            assert columns.series["train/loss"][1].max() == 9.5 == max(overview.series["train/loss"][1])
    assert snapshot_writer.main([str(run.path)]) == snapshot_writer.EXIT_STORED
    mended = snapshot.open_snapshot(run.cache, open_source(run))
    assert mended is not None and load_columns(mended).series["train/loss"][1].max() == 9.5


def test_a_folder_that_takes_no_cache_is_read_all_the_same(run: RunDir, short_is_long: None) -> None:
    write_lines(run.metrics, curve(3000))
    run.cache.write_text("a file where the folder should be")
    found = settled(MetricHistory(run))
    assert same(numbers(found, "train/loss"), as_read_line_by_line(run)["train/loss"])
    assert run.cache.read_text().startswith("a file")


def test_a_full_disk_leaves_nothing_behind(run: RunDir) -> None:
    """The limit of a file's size stands for the disk's."""
    write_lines(run.metrics, curve(3000))
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from imgexp_tui.records.metrics.snapshot_writer import main; sys.exit(main([sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert done.returncode == snapshot_writer.EXIT_FAILED
    assert list(run.cache.iterdir()) == []


def test_without_another_process_the_record_is_read_here(
    run: RunDir, short_is_long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(run.metrics, curve(3000))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = settled(MetricHistory(run))
    assert len(numbers(found, "train/loss")) == 3000


def test_the_next_snapshot_goes_on_from_the_last(run: RunDir) -> None:
    write_lines(run.metrics, curve(500))
    assert snapshot_writer.main([str(run.path)]) == snapshot_writer.EXIT_STORED
    write_lines(
        run.metrics,
        [{"step": 400 + i, "time": 2000.0 + i, "train/loss": float(i), "valid/loss": 0.5} for i in range(300)],
    )
    assert snapshot_writer.main([str(run.path)]) == snapshot_writer.EXIT_STORED
    found = snapshot.open_snapshot(run.cache, open_source(run))
    assert found is not None
    columns = load_columns(found)
    assert found.prefix.offset == run.metrics.stat().st_size
    for name, values in as_read_line_by_line(run).items():
        assert same([(int(s), float(v)) for s, v in zip(*columns.series[name], strict=True)], values)


def test_attempts_and_seconds_leave_the_pause_out(run: RunDir) -> None:
    write_lines(run.metrics, curve(100))
    events.append_event(run, "resumed", attempt=2, time=9000.0)
    write_lines(run.metrics, [{"step": 51 + i, "epoch": 1, "time": 9001.0 + i, "train/loss": 1.0} for i in range(100)])
    Request("u", run.run_id, "v0", None, {"batch_size": 8}, [], "shipped", 7, "", "h", "me", 1.0).write(run)
    found = settled(MetricHistory(run))
    assert found.attempt_starts == {2: 51}
    assert found.x_of(50, Axis.TIME) == 49
    assert found.x_of(150, Axis.TIME) == 49 + 99
    assert found.x_of(150, Axis.SAMPLES) == 1200
    assert found.x_range(Axis.TIME) == (0, 148)


def test_epochs_are_as_long_as_their_steps() -> None:
    steps = np.arange(1, 26)
    at, done = epochs_at_steps(steps, np.ceil(steps / 10).astype(float))
    assert np.interp([10, 15, 20, 25], at, done).tolist() == [1.0, 1.5, 2.0, 2.5]


def test_pieces_of_a_record_are_whole_lines_of_all_of_it(run: RunDir) -> None:
    write_lines(run.metrics, curve(50_000))
    size = run.metrics.stat().st_size
    pieces = sample_lines(run.metrics, size)
    steps = [json.loads(line)["step"] for piece in pieces for line in piece.splitlines()]
    assert steps == sorted(set(steps)) and steps[0] == 1 and steps[-1] == 50_000
    assert max(np.diff(steps)) < 2000
    assert sum(map(len, pieces)) < 1 << 20


def test_what_a_killed_builder_left_is_removed_by_a_later_one(run: RunDir) -> None:
    write_lines(run.metrics, curve(10))
    run.cache.mkdir()
    left = run.cache / f".{snapshot.FILE_NAME}.abc.tmp"
    left.write_bytes(b"half")
    snapshot_writer.main([str(run.path)])
    assert left.exists(), "its writer may be at work"
    os.utime(left, (0, 0))
    snapshot_writer.main([str(run.path)])
    assert not left.exists()


def test_nothing_is_nothing(run: RunDir) -> None:
    found = MetricHistory(run)
    assert not found.poll()
    assert found.metric_names == [] and found.x_range() == (0.0, 0.0) and found.axes() == [Axis.STEP]
    window = found.buckets_between("train/loss", 0, 10, 5)
    assert np.isnan(window.low).all() and window.count.sum() == 0
    assert len(append_rows(MetricColumns(), parse_rows(b"")).steps) == 0


def test_what_the_supervisor_sampled_stands_at_the_steps_that_were_done(run: RunDir) -> None:
    write_lines(run.metrics, [{"step": s, "epoch": 1, "time": 100.0 + 2 * s, "train/loss": 1.0} for s in range(1, 6)])
    samples: list[dict[str, Any]] = [
        {"time": 90.0 + s, "tree/memory": float(s), "host/memory_total": 9.0, "gpu0/throttle": "heat"}
        for s in range(25)
    ]
    with contextlib.closing(LineWriter(run.system)) as writer:
        for sample in samples:
            writer.write(sample)
    found = history.MetricHistory(run)
    assert found.poll()
    assert found.metric_names == ["train/loss", "tree/memory"]
    steps, values = found.values("tree/memory")
    assert list(zip(steps.tolist(), values.tolist(), strict=True)) == [
        (0 if s < 12 else min(5, (s - 10) // 2), float(s)) for s in range(25)
    ]
    window = found.buckets_between("tree/memory", 0, 5, 5)
    assert (window.low[0], window.high[-1]) == (0.0, 24.0), "no extreme is lost where several stand at one step"
    assert found.steps_in_seconds(11, 17) == (0, 3)
    assert found.last_step == 5
    with contextlib.closing(LineWriter(run.system)) as writer:
        writer.write({"time": 115.5, "tree/memory": 99.0})
    assert found.poll()
    assert found.buckets_between("tree/memory", 0, 5, 5).high[-1] == 99.0
