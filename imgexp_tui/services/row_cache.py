"""Caches the rows of versions whose runs have all ended, so that opening a lab again does not read all its runs.

The file is disposable. A row counts only as long as the version's folder, and the files that show that a run was
resumed or has ended, have the modification times that they had when the row was made.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui.paths import RUNS, lab_cache, modified_ns
from imgexp_tui.views.lab import VersionRow

_FORMAT = 2
_FILE_NAME = "rows.json"
_MAX_RUNS = 8
"""The most runs of a version whose row is cached; checking more would cost as much as reading them."""
_FIELDS = tuple(one.name for one in fields(VersionRow) if one.name != "notes_changed")
_TUPLE_FIELDS = ("seed_progress", "seed_stats", "sparkline")

Stamp = list[int | str]


class RowCache:
    """The cached rows of one lab. Not safe for use by several threads at a time."""

    def __init__(self, lab: Path) -> None:
        self._runs = str(lab / RUNS)
        self._path = lab_cache(lab) / _FILE_NAME
        self._packed_rows = _read_file(self._path)
        self._unpacked_rows: dict[str, tuple[Stamp, VersionRow]] = {}
        self._is_saved = True

    def __len__(self) -> int:
        return len(self._packed_rows) + len(self._unpacked_rows)

    def get(self, version: str) -> VersionRow | None:
        """A version's row; None where there is none or something has happened to its runs since."""
        known = self._unpacked_rows.get(version) or self._unpack(version)
        if known is None:
            return None
        if self._stamp(version, known[0][1::3]) == known[0]:
            return known[1]
        del self._unpacked_rows[version]
        return None

    def get_many(self, versions: Iterable[str]) -> dict[str, VersionRow]:
        """The rows of these versions that are cached, by version."""
        return {version: row for version in versions if (row := self.get(version))}

    def put(self, version: str, runs: Iterable[str], row: VersionRow) -> None:
        """Cache a row, unless it may still change or JSON cannot hold it."""
        names = list(runs)
        stamp = self._stamp(version, names)
        # Without exit.json a run may still be alive on another machine.
        if row.live or len(names) > _MAX_RUNS or not all(stamp[3::3]) or not _is_finite(row):
            return
        self._unpacked_rows[version] = stamp, row
        self._packed_rows.pop(version, None)
        self._is_saved = False

    def retain_only(self, versions: Mapping[str, object]) -> None:
        """Forget all other versions."""
        for known in (self._unpacked_rows, self._packed_rows):
            for version in [one for one in known if one not in versions]:
                del known[version]
                self._is_saved = False

    def save(self) -> None:
        """Write the file if there are new rows. A folder that cannot be written is left alone."""
        if self._is_saved:
            return
        self._is_saved = True
        rows = self._packed_rows | {
            version: [stamp, _pack_row(row)] for version, (stamp, row) in self._unpacked_rows.items()
        }
        with contextlib.suppress(OSError, TypeError):
            data = orjson.dumps({"format": _FORMAT, "rows": rows})
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(prefix=f".{_FILE_NAME}.", suffix=".tmp", dir=self._path.parent)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink()
                raise

    def _unpack(self, version: str) -> tuple[Stamp, VersionRow] | None:
        """A row that was read from the file. Rows are built when they are asked for, since there may be thousands."""
        packed = self._packed_rows.pop(version, None)
        try:
            if packed is not None:
                self._unpacked_rows[version] = packed[0], _unpack_row(packed[1])
        except (ValueError, TypeError, KeyError, IndexError):
            return None
        return self._unpacked_rows.get(version)

    def _stamp(self, version: str, runs: Iterable[int | str]) -> Stamp:
        folder = f"{self._runs}/{version}"  # no `Path`: a thousand are made at each poll
        stamp: Stamp = [modified_ns(folder)]
        for run in runs:
            stamp += [run, modified_ns(f"{folder}/{run}/process.json"), modified_ns(f"{folder}/{run}/exit.json")]
        return stamp


def _is_finite(row: VersionRow) -> bool:
    numbers = [*row.sparkline, *(value for _, value in row.best_metrics), *(row.seed_stats or ())]
    numbers += [one for one in (row.best, row.accuracy) if one is not None]
    return all(map(math.isfinite, numbers))


def _pack_row(row: VersionRow) -> list[Any]:
    return [getattr(row, name) for name in _FIELDS]


def _read_file(path: Path) -> dict[str, list[Any]]:
    """Version → stamp and packed row, as in the file; {} where it is missing or damaged."""
    try:
        data = orjson.loads(path.read_bytes())
        rows = data["rows"] if data["format"] == _FORMAT else {}
        return rows if isinstance(rows, dict) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _unpack_row(packed: list[Any]) -> VersionRow:
    values = dict(zip(_FIELDS, packed, strict=True))
    for name in _TUPLE_FIELDS:
        values[name] = None if values[name] is None else tuple(values[name])
    values["best_metrics"] = tuple((str(name), float(value)) for name, value in values["best_metrics"])
    return VersionRow(**values)
