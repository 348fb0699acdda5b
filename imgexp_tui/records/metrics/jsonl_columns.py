"""Reads records as columns of numbers; JSON lines a megabyte at a time.

Parsing a million lines keeps the interpreter busy for the better part of a second, so that this is for a process of
its own and for short tails. A megabyte is parsed as one JSON array, in a third of the time that single lines take.
Where one of its lines is torn, has a hole or is no record, that megabyte is parsed line by line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from imgexp_tui.records.jsonl import decode_number
from imgexp_tui.records.metrics.minmax import Ints
from imgexp_tui.records.metrics.rows import MetricRows, SparseColumn
from imgexp_tui.records.metrics.source import NON_METRIC_KEYS, BulkMetricSource, MetricSource, Record

_CHUNK_BYTES = 1 << 20
_STEP_LIMIT = 1 << 63
_EMPTY_COLUMN: SparseColumn = (np.zeros(0, np.int64), np.zeros(0))


def read_rows(path: Path, start: int, stop: int) -> tuple[MetricRows, int]:
    """The complete lines between two offsets, and the offset after the last of them.

    `start` is the beginning of a line. A line that does not end before `stop` is left for later.

    Raises:
        OSError: the file cannot be read.
    """
    builder = _RowsBuilder()
    with path.open("rb", buffering=0) as file:
        while start < stop:
            data = os.pread(file.fileno(), min(_CHUNK_BYTES, stop - start), start)
            end = data.rfind(b"\n") + 1
            if not end:
                if len(data) < _CHUNK_BYTES:
                    break
                end = len(data)  # no line is that long: a crash left a hole, or the file is not from this app
            builder.add(parse_rows(data[:end]))
            start += end
    return builder.build(), start


def parse_rows(data: bytes) -> MetricRows:
    """Complete lines as columns. A line that is no JSON object or has no proper step is left out."""
    try:
        records = orjson.loads(b"[" + data.removesuffix(b"\n").replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        records = []
    if len(records) != data.count(b"\n"):
        records = _parse_each_line(data)
    # NumPy reads true and false among numbers as 1 and 0, which would be wrong.
    plain = not _may_contain_booleans(data) or (b"true" not in data and b"false" not in data)
    return (_uniform_rows(records) if plain else None) or _mixed_rows(records)


def rows_of_source(source: MetricSource, start: int, stop: int) -> tuple[MetricRows, int]:
    """The complete records of a source from one position to another or a little beyond, and the position after them.

    Raises:
        OSError: the source cannot be read.
    """
    if isinstance(source, BulkMetricSource):
        return source.read_rows(start, stop)
    pieces: list[MetricRows] = []
    source.seek(start)
    while source.position < stop and (records := source.read_new()):
        pieces.append(rows_of_records(records))
    return concatenate_rows(pieces), source.position


def rows_of_records(records: list[Record]) -> MetricRows:
    """Records as columns. A record without a proper step is left out."""
    plain = all(type(value) in (int, float) for record in records for value in record.values())
    return (_uniform_rows(records) if plain else None) or _mixed_rows(records)


def _may_contain_booleans(data: bytes) -> bool:
    """Whether "ue" or "se" is somewhere: a search for the whole words takes half as long as parsing."""
    letters = np.frombuffer(data, np.uint8)
    before, last = letters[:-1], letters[1:]
    return bool(((last == ord("e")) & ((before == ord("u")) | (before == ord("s")))).any())


def concatenate_rows(pieces: Iterable[MetricRows]) -> MetricRows:
    """Several pieces joined in their order."""
    builder = _RowsBuilder()
    for piece in pieces:
        builder.add(piece)
    return builder.build()


class _RowsBuilder:
    """Joins pieces one after the other, so that a long record is never in memory twice."""

    def __init__(self) -> None:
        self._count = 0
        self._steps, self._epochs, self._times = bytearray(), bytearray(), bytearray()
        self._values: dict[str, bytearray] = {}
        # The rows that have a metric; kept only for metrics that are not in every row.
        self._row_indices: dict[str, bytearray] = {}

    def add(self, piece: MetricRows) -> None:
        self._steps += piece.steps.tobytes()
        self._epochs += piece.epochs.tobytes()
        self._times += piece.times.tobytes()
        for name in {**self._values, **piece.columns}:
            rows, values = piece.columns.get(name, _EMPTY_COLUMN)
            before = self._count if name in self._values else 0
            self._values.setdefault(name, bytearray()).extend(values.tobytes())
            if name not in self._row_indices and (before < self._count or len(rows) < len(piece)):
                self._row_indices[name] = bytearray(np.arange(before).tobytes())
            if name in self._row_indices:
                self._row_indices[name] += (self._count + rows).tobytes()
        self._count += len(piece)

    def build(self) -> MetricRows:
        every = np.arange(self._count)
        columns = {
            name: (_ints(self._row_indices[name]) if name in self._row_indices else every, np.frombuffer(values))
            for name, values in self._values.items()
        }
        return MetricRows(_ints(self._steps), np.frombuffer(self._epochs), np.frombuffer(self._times), columns)


def _ints(data: bytearray) -> Ints:
    return np.frombuffer(data, np.int64)


def _parse_each_line(data: bytes) -> list[Any]:
    records = []
    for line in data.splitlines():
        try:
            records.append(orjson.loads(line.strip(b"\0 \t\r")))
        except orjson.JSONDecodeError:
            continue
    return records


def _uniform_rows(records: list[Any]) -> MetricRows | None:
    """The columns of records that all hold the same plain numbers, as those of a training loop do; None of others."""
    if not records or not isinstance(records[0], dict) or "step" not in records[0]:
        return None
    names = list(records[0])
    try:
        if sum(map(len, records)) != len(names) * len(records):
            return None
        columns = {name: np.array([record[name] for record in records]) for name in names}
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    steps = columns.pop("step")
    if (
        steps.dtype != np.int64
        or steps.min() < 0
        or any(v.dtype not in (np.int64, np.float64) for v in columns.values())
    ):
        return None
    count = len(steps)
    every = np.arange(count)
    nothing = np.full(count, np.nan)
    return MetricRows(
        steps,
        columns.get("epoch", nothing).astype(np.float64),
        columns.get("time", nothing).astype(np.float64),
        {n: (every, v.astype(np.float64)) for n, v in columns.items() if n not in NON_METRIC_KEYS},
    )


def _mixed_rows(records: list[Any]) -> MetricRows:
    """The columns of records of any shape, built a value at a time."""
    steps: list[int] = []
    epochs: list[float] = []
    times: list[float] = []
    columns: dict[str, tuple[list[int], list[float]]] = {}
    for record in records:
        if not isinstance(record, dict):
            continue
        step = record.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < _STEP_LIMIT:
            continue
        row = len(steps)
        steps.append(step)
        epochs.append(_to_float(record.get("epoch")))
        times.append(_to_float(record.get("time")))
        for name, value in record.items():
            value = decode_number(value)
            if name not in NON_METRIC_KEYS and isinstance(value, int | float) and not isinstance(value, bool):
                rows, values = columns.setdefault(name, ([], []))
                rows.append(row)
                values.append(_to_float(value))
    return MetricRows(
        np.array(steps, np.int64),
        np.array(epochs, np.float64),
        np.array(times, np.float64),
        {n: (np.array(rows, np.int64), np.array(values, np.float64)) for n, (rows, values) in columns.items()},
    )


def _to_float(value: Any) -> float:
    try:
        return (
            float(decode_number(value))
            if isinstance(value, int | float | str) and not isinstance(value, bool)
            else math.nan
        )
    except (ValueError, OverflowError):
        return math.nan


def surviving_rows(steps: Ints) -> npt.NDArray[np.bool_]:
    """A mask of the rows that count: a step that goes back voids the rows at or after it."""
    survives = np.ones(len(steps), np.bool_)
    back = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    if len(back):
        # A row counts where no later row goes back to its step or before.
        lowest = np.minimum.accumulate(steps[back][::-1])[::-1]
        lengths = np.diff(np.concatenate([[0], back]))
        survives[: back[-1]] = steps[: back[-1]] < np.repeat(lowest, lengths)
    return survives


def last_row_of_each_step(steps: Ints) -> npt.NDArray[np.bool_]:
    """A mask of the last row of each step; steps rise."""
    last = np.ones(len(steps), np.bool_)
    if len(steps) > 1:
        last[:-1] = steps[1:] != steps[:-1]
    return last
