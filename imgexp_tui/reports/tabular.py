"""Writes versions and runs as JSON and CSV. docs/formats.md specifies the JSON, which must stay compatible."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, Judge, version_judges
from imgexp_tui.records.metrics.run_state import Best, best_run
from imgexp_tui.records.system.stats import measured_stats

Row = dict[str, Any]
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Characters at which a spreadsheet starts a formula, or that it skips before one; wide forms count in some."""


def version_row(
    version: Version, followers: Iterable[RunFollower], judges: Sequence[Judge] = DEFAULT_METRICS.judges()
) -> Row:
    """Returns a version with the state of its latest run and the best of all its runs, as `list --json` prints it.

    Args:
        judges: the metrics that judge the version's runs, in order of preference.
    """
    runs = newest_first(followers)
    best = best_run(runs, judges)
    return {
        "name": version.name,
        "base": version.base,
        "summary": version.summary,
        "takeaways": version.takeaways,
        "observed": version.observed,
        "tags": list(version.tags),
        "archived": version.archived,
        "state": runs[0].status.state.value if runs else None,
        "best": _best_row(*best) if best else None,
        "runs": [view.run_id for view in runs],
        "problems": [str(problem) for problem in version.problems],
    }


def run_row(follower: RunFollower) -> Row:
    """Returns a run with its last metrics and its best epoch, as `runs --json` prints it."""
    exit_, best = follower.status.exit, follower.best()
    return {
        "run": follower.run_id,
        "version": follower.version,
        "state": follower.status.state.value,
        "evidence": follower.status.evidence,
        "exit_code": exit_.exit_code if exit_ else None,
        "signal": exit_.signal if exit_ else None,
        "attempt": follower.status.attempt,
        "seed": follower.request.seed if follower.request else None,
        "group": (follower.request.group or None) if follower.request else None,
        "gpus": follower.status.process.gpus if follower.status.process else [],
        "epoch": _json_number(follower.epoch),
        "step": follower.step,
        "metrics": {name: _json_number(value) for name, value in sorted(follower.last_metrics().items())},
        "best": _best_row(follower, best) if best else None,
        "measured": dict(measured_stats(follower)),
        "path": str(follower.run_dir.path),
    }


def json_text(notebook: Notebook, followers_by_version: Mapping[str, Sequence[RunFollower]]) -> str:
    """Returns a JSON array of the versions, each as `show V --json` prints it."""
    rows = []
    for version in notebook.versions.values():
        runs = newest_first(followers_by_version.get(version.name, ()))
        row = version_row(version, runs, version_judges(notebook, version.name))
        rows.append(row | {"config": version.config, "run_details": [run_row(v) for v in runs]})
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def csv_text(notebook: Notebook, followers_by_version: Mapping[str, Sequence[RunFollower]]) -> str:
    """Returns CSV with a line for each run, and one for each version without runs, after a line of column names.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    rows = [
        row
        for version in notebook.versions.values()
        for row in _csv_rows(version, followers_by_version.get(version.name, ()))
    ]
    metrics = sorted({key for row in rows for key in row if key.startswith("metric ")})
    named = (dict.fromkeys(k for row in rows for k in row if k.startswith(kind)) for kind in ("measured ", "setting "))
    columns = [*_FIRST_COLUMNS, *metrics, *itertools.chain.from_iterable(named), *_LAST_COLUMNS]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def newest_first(followers: Iterable[RunFollower]) -> list[RunFollower]:
    """Returns runs, newest first; run ids sort by time."""
    return sorted(followers, key=lambda view: view.run_id, reverse=True)


_FIRST_COLUMNS = (
    "version",
    "base",
    "run",
    "state",
    "attempt",
    "epoch",
    "step",
    "seed",
    "group",
    "best metric",
    "best value",
    "best epoch",
)
_NOTE_FIELDS = ("summary", "takeaways", "observed")
_LAST_COLUMNS = ("tags", *_NOTE_FIELDS)


def _csv_rows(version: Version, followers: Iterable[RunFollower]) -> list[Row]:
    notes = {name: getattr(version, name) for name in ("base", *_NOTE_FIELDS)} | {"tags": " ".join(version.tags)}
    runs = newest_first(followers)
    if not runs:
        return [{"version": version.name, **notes, **_prefixed("setting", version.config)}]
    return [{**notes, **_csv_run_row(view)} for view in runs]


def _csv_run_row(follower: RunFollower) -> Row:
    row, request = run_row(follower), follower.request
    best = row["best"] or {}
    return {
        **{key: row[key] for key in ("version", "run", "state", "attempt", "epoch", "step", "seed", "group")},
        **{f"best {key}": best.get(key) for key in ("metric", "value", "epoch")},
        **_prefixed("metric", row["metrics"]),
        **_prefixed("measured", row["measured"]),
        **_prefixed("setting", request.config if request else {}),
    }


def _prefixed(prefix: str, values: Mapping[str, Any]) -> Row:
    return {f"{prefix} {key}": value for key, value in values.items()}


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _best_row(follower: RunFollower, best: Best) -> Row:
    return {
        "metric": best.metric,
        "value": _json_number(best.value),
        "epoch": _json_number(best.epoch),
        "step": best.step,
        "run": follower.run_id,
        "beside": {name: _json_number(value) for name, value in sorted(best.other_metrics.items())},
    }


def _json_number(value: float | None) -> float | int | None:
    """Returns a number for JSON: an int where it is whole, None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value
