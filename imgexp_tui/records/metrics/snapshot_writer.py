"""Writes a run's snapshot, as a process: `python -m imgexp_tui.records.metrics.snapshot_writer RUN [FD [NICE]]`.

The process that shows the run starts it, because parsing keeps an interpreter busy for a second per million lines. It
goes on from the snapshot that is there, where that still fits. Where the run's folder takes no file (read-only, a full
disk), the snapshot is written to the open file that FD names, and the exit code is 3. NICE is added to its niceness.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import read_records
from imgexp_tui.records.metrics import snapshot
from imgexp_tui.records.metrics.columns import (
    MetricColumns,
    append_rows,
    attempt_first_steps,
    load_columns,
    resumptions,
    training_seconds,
)
from imgexp_tui.records.metrics.jsonl_columns import concatenate_rows, rows_of_source
from imgexp_tui.records.metrics.metric import Judge, request_judges
from imgexp_tui.records.metrics.minmax import Floats, Ints, build_levels
from imgexp_tui.records.metrics.rows import MetricRows
from imgexp_tui.records.metrics.snapshot_job import anonymous_file
from imgexp_tui.records.metrics.source import BulkMetricSource, MetricSource
from imgexp_tui.records.metrics.source_registry import open_source
from imgexp_tui.records.rundir import RunDir

EXIT_STORED, EXIT_FALLBACK, EXIT_FAILED = 0, 3, 1
MAX_BUCKETS = 1024
"""The most stretches of steps in the overview; as many as a curve on the main screen has."""
_PARALLEL_BYTES = 16 << 20
"""Size of a record from which several processes parse it."""
_MAX_PROCESSES = 4


def main(argv: list[str]) -> int:
    """Write the snapshot; the exit code says where to."""
    run, lent = RunDir(Path(argv[0])), int(argv[1]) if len(argv) > 1 else None
    with contextlib.suppress(OSError):
        os.nice(int(argv[2]) if len(argv) > 2 else 0)
    try:
        contents = snapshot_contents(run)
    except OSError:
        return EXIT_FAILED
    try:
        snapshot.store(run.cache, *contents)
    except OSError:
        if lent is None:
            return EXIT_FAILED
        snapshot.write(lent, *contents)
        return EXIT_FALLBACK
    return EXIT_STORED


def snapshot_contents(run: RunDir) -> tuple[snapshot.RecordPrefix, dict[str, Any], dict[str, snapshot.SnapshotBlock]]:
    """What a snapshot of the run as of now holds: prefix of the record, meta and blocks.

    Raises:
        OSError: the record cannot be read.
    """
    source = open_source(run)
    before, offset = MetricColumns(), 0
    if existing := snapshot.open_snapshot(run.cache, source):
        with contextlib.closing(existing), contextlib.suppress(snapshot.SnapshotDamaged, OSError):
            before, offset = load_columns(existing), existing.prefix.offset
    rows, offset = _read_new_rows(source, offset)
    columns = append_rows(before, rows)
    del rows  # a long record must not be in memory twice
    attempts = attempt_first_steps(resumptions(read_records(run.events)), columns.steps, columns.times)
    best_steps = _best_steps(columns, request_judges(Request.read(run)))
    return snapshot.prefix_of(source, offset), *_meta_and_blocks(columns, attempts, best_steps)


def _read_new_rows(source: MetricSource, start: int) -> tuple[MetricRows, int]:
    """The complete records from a position on; long ones by several processes."""
    stat = source.stat()
    if stat is None:
        raise FileNotFoundError("there is no record")
    count = min(_MAX_PROCESSES, len(os.sched_getaffinity(0))) if stat.size - start > _PARALLEL_BYTES else 1
    if count < 2 or not isinstance(source, BulkMetricSource):
        return rows_of_source(source, start, stat.size)
    return _read_in_parallel(source, start, stat.size, count)


def _read_in_parallel(source: BulkMetricSource, start: int, stop: int, count: int) -> tuple[MetricRows, int]:
    """The complete records between two positions, read by `count` processes."""
    from multiprocessing import get_context

    edges = [start, *(source.next_position(start + (stop - start) * i // count) for i in range(1, count)), stop]
    with contextlib.ExitStack() as closing:
        # A pipe takes several times as long as memory to bring millions of numbers from one process to another. The
        # files are open before the fork, which is how the other processes get them.
        files = [anonymous_file() for _ in range(count - 1)]
        for fd in files:
            closing.callback(os.close, fd)
        pool = closing.enter_context(get_context("fork").Pool(count - 1))
        parts = zip(files, pairwise(edges[1:]), strict=True)
        pending = pool.starmap_async(_read_into_file, [(fd, source, a, b) for fd, (a, b) in parts])
        first_rows = [source.read_rows(edges[0], edges[1])[0]]
        offset = pending.get()[-1]
        return concatenate_rows(_iterate_parts(first_rows, files)), offset


def _read_into_file(fd: int, source: BulkMetricSource, start: int, stop: int) -> int:
    """Read records into an open file; the position after the last of them."""
    rows, offset = source.read_rows(start, stop)
    with open(fd, "wb", closefd=False) as file:
        pickle.dump(rows, file, protocol=5)
    return offset


def _iterate_parts(parsed: list[MetricRows], files: list[int]) -> Iterator[MetricRows]:
    """What is there, then what was read into the files. Each is dropped when the next is asked for."""
    yield parsed.pop()
    for fd in files:
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            yield pickle.load(file)  # of our own process, by a file that has no name


def _meta_and_blocks(
    columns: MetricColumns, attempts: dict[int, int], best_steps: list[int]
) -> tuple[dict[str, Any], dict[str, snapshot.SnapshotBlock]]:
    steps, epochs, times = columns.steps, columns.epochs, columns.times
    blocks: dict[str, snapshot.SnapshotBlock] = {
        "steps": _byte_view(steps),
        "epochs": _byte_view(epochs),
        "times": _byte_view(times),
    }
    overview = _overview_points(columns, best_steps)
    metrics = {}
    for i, (name, (at, values)) in enumerate(columns.series.items()):
        same = at is steps or (len(at) == len(steps) and bool((at == steps).all()))
        if not same:
            blocks[f"{i}/steps"] = _byte_view(at)
        blocks[f"{i}/values"] = _byte_view(values)
        levels = build_levels(values)
        for k, level in enumerate(levels):
            blocks[f"{i}/{k}"] = b"".join(a.tobytes() for a in (level.low, level.high, level.total, level.not_finite))
        metrics[name] = {"same": same, "levels": [len(level.low) for level in levels]}
        blocks[f"overview/{i}"] = _pack_pair(*overview[name])
    blocks["overview/epochs"] = _pack_pair(*_epoch_points(columns, best_steps))
    known = np.isfinite(times)
    seconds = training_seconds(steps[known], times[known], attempts)
    blocks["overview/trained"] = _pack_pair(*_training_time_points(columns, steps[known], seconds))
    meta = {
        "metrics": metrics,
        "attempts": list(attempts.items()),
        "began": _epoch_start_times(columns),
        "seconds": float(seconds[-1]) if len(seconds) else 0.0,
        "longest": float(np.diff(seconds).max(initial=0.0)),
        "step": int(steps[-1]) if len(steps) else None,
        "epoch": _last_finite(epochs),
        "time": _last_finite(times),
        "begun": _last_finite(times[::-1]),
    }
    # The blocks of the overview come first: they are read first.
    return meta, {n: blocks[n] for n in sorted(blocks, key=lambda n: not n.startswith("overview"))}


def _overview_points(columns: MetricColumns, best_steps: list[int]) -> dict[str, tuple[Ints, Floats]]:
    """The points of each metric: the extremes and a broken value of every stretch, the last value, and best steps."""
    last = int(columns.steps[-1]) if len(columns.steps) else 0
    size = 1
    while max(0, last - 1) // size >= MAX_BUCKETS:
        size *= 2
    points = {}
    for name, (steps, values) in columns.series.items():
        stretch = np.maximum(steps - 1, 0) // size
        firsts = np.flatnonzero(np.concatenate([[True], stretch[1:] != stretch[:-1]])) if len(steps) else steps[:0]
        chosen = _chosen_points(values, firsts)
        chosen[np.isin(steps, best_steps)] = True
        points[name] = (steps[chosen], values[chosen])
    return points


def _chosen_points(values: Floats, bucket_starts: Ints) -> npt.NDArray[np.bool_]:
    """A mask of the values that represent the stretches that begin at `bucket_starts`."""
    chosen = np.zeros(len(values), np.bool_)
    if not len(values):
        return chosen
    chosen[-1] = True
    lengths = np.diff(np.append(bucket_starts, len(values)))
    fine = np.isfinite(values)
    for extreme in (np.fmin, np.fmax):
        hidden = np.where(fine, values, np.nan)
        hits = np.flatnonzero(hidden == np.repeat(extreme.reduceat(hidden, bucket_starts), lengths))
        chosen[_first_hit_per_bucket(hits, bucket_starts)] = True
    chosen[_first_hit_per_bucket(np.flatnonzero(~fine), bucket_starts)] = True
    return chosen


def _first_hit_per_bucket(hits: npt.NDArray[np.intp], bucket_starts: Ints) -> npt.NDArray[np.intp]:
    """The first hit in each stretch; `hits` are rising indices."""
    stretch = np.searchsorted(bucket_starts, hits, side="right")
    return hits[np.concatenate([[True], stretch[1:] != stretch[:-1]])] if len(hits) else hits


def _best_steps(columns: MetricColumns, judges: Sequence[Judge]) -> list[int]:
    """The steps at which the metrics that judge the run have their best values."""
    best_steps = []
    for judge in judges:
        steps, values = columns.series.get(judge.metric, (None, None))
        if steps is not None and values is not None and np.isfinite(values).any():
            fine = np.where(np.isfinite(values), values, np.nan)
            best_steps.append(int(steps[int((np.nanargmax if judge.goal is Goal.HIGHER else np.nanargmin)(fine))]))
    return best_steps


def _epoch_points(columns: MetricColumns, best_steps: list[int]) -> tuple[Ints, Floats]:
    """Steps and epochs where an epoch begins, and at the steps of the best values."""
    known = np.isfinite(columns.epochs)
    steps, epochs = columns.steps[known], columns.epochs[known]
    if not len(steps):
        return steps, epochs
    chosen = np.concatenate([[True], epochs[1:] != epochs[:-1]])
    if chosen.sum() > 4 * MAX_BUCKETS:  # fractions of epochs: a sample of them is enough
        chosen[:] = False
        chosen[:: max(1, len(chosen) // MAX_BUCKETS)] = True
    chosen[-1] = True
    chosen[np.isin(steps, best_steps)] = True
    return steps[chosen], epochs[chosen]


def _training_time_points(columns: MetricColumns, steps: Ints, seconds: Floats) -> tuple[Ints, Floats]:
    """Steps of validations, a limited number with the last among them, and seconds of training until each."""
    valid_steps = [at for name, (at, _) in columns.series.items() if name.startswith("valid/")]
    at = np.unique(np.concatenate([np.zeros(0, np.int64), *valid_steps]))
    if not len(steps):
        return at[:0], seconds[:0]
    at = np.concatenate([at[:-1][:: max(1, len(at) // (4 * MAX_BUCKETS))], at[-1:]])
    return at, np.interp(at, steps, seconds)


def _epoch_start_times(columns: MetricColumns) -> list[tuple[int, float]]:
    """Each epoch and the time of its first record."""
    known = np.isfinite(columns.epochs) & np.isfinite(columns.times)
    epochs, times = columns.epochs[known].astype(np.int64), columns.times[known]
    firsts = np.flatnonzero(np.concatenate([[True], epochs[1:] != epochs[:-1]])) if len(epochs) else epochs
    return [(int(epochs[i]), float(times[i])) for i in firsts]


def _last_finite(values: Floats) -> float | None:
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if len(known) else None


def _byte_view(values: Ints | Floats) -> memoryview:
    """The bytes of an array, not copied."""
    return np.ascontiguousarray(values).data.cast("B")


def _pack_pair(steps: Ints, values: Floats) -> bytes:
    return steps.tobytes() + values.tobytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
