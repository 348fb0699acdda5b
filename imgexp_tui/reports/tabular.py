"""The data of versions and runs as JSON and CSV. The JSON is a contract, written down in docs/formats.md."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import Best, RunView, best_of
from imgexp_tui.records.system.stats import measured

Row = dict[str, Any]
_ACTIVE = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What a spreadsheet takes for the start of a formula, or skips before one; some take wide signs for narrow ones."""


def version_row(version: Version, views: Iterable[RunView]) -> Row:
    """A version with the state of its latest run and the best of all its runs, as `list --json` prints it."""
    runs = newest_first(views)
    best = best_of(runs)
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
        "runs": [view.run for view in runs],
        "problems": [str(problem) for problem in version.problems],
    }


def run_row(view: RunView) -> Row:
    """A run with its last metrics and its best line, as `runs --json` prints it."""
    exit_, best = view.status.exit, view.best()
    return {
        "run": view.run,
        "version": view.version,
        "state": view.status.state.value,
        "evidence": view.status.evidence,
        "exit_code": exit_.exit_code if exit_ else None,
        "signal": exit_.signal if exit_ else None,
        "attempt": view.status.attempt,
        "seed": view.request.seed if view.request else None,
        "group": (view.request.group or None) if view.request else None,
        "gpus": view.status.process.gpus if view.status.process else [],
        "epoch": _number(view.epoch),
        "step": view.step,
        "metrics": {name: _number(value) for name, value in sorted(view.metrics().items())},
        "best": _best_row(view, best) if best else None,
        "measured": dict(measured(view)),
        "path": str(view.dir.path),
    }


def json_text(notebook: Notebook, views: Mapping[str, Sequence[RunView]]) -> str:
    """An array of the versions, each as `show V --json` prints it."""
    rows = []
    for version in notebook.versions.values():
        runs = newest_first(views.get(version.name, ()))
        rows.append(version_row(version, runs) | {"config": version.config, "run_details": [run_row(v) for v in runs]})
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def csv_text(notebook: Notebook, views: Mapping[str, Sequence[RunView]]) -> str:
    """A line for each run, and one for each version without runs; the columns name what they hold.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    rows = [row for version in notebook.versions.values() for row in _csv_rows(version, views.get(version.name, ()))]
    metrics = sorted({key for row in rows for key in row if key.startswith("metric ")})
    named = (dict.fromkeys(k for row in rows for k in row if k.startswith(kind)) for kind in ("measured ", "setting "))
    columns = [*_FIRST, *metrics, *itertools.chain.from_iterable(named), *_LAST]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def newest_first(views: Iterable[RunView]) -> list[RunView]:
    """Runs in the order of the reports: run ids sort by time."""
    return sorted(views, key=lambda view: view.run, reverse=True)


_FIRST = (
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
_NOTES = ("summary", "takeaways", "observed")
_LAST = ("tags", *_NOTES)


def _csv_rows(version: Version, views: Iterable[RunView]) -> list[Row]:
    notes = {name: getattr(version, name) for name in ("base", *_NOTES)} | {"tags": " ".join(version.tags)}
    runs = newest_first(views)
    if not runs:
        return [{"version": version.name, **notes, **_named("setting", version.config)}]
    return [{**notes, **_csv_run(view)} for view in runs]


def _csv_run(view: RunView) -> Row:
    row, request = run_row(view), view.request
    best = row["best"] or {}
    return {
        **{key: row[key] for key in ("version", "run", "state", "attempt", "epoch", "step", "seed", "group")},
        **{f"best {key}": best.get(key) for key in ("metric", "value", "epoch")},
        **_named("metric", row["metrics"]),
        **_named("measured", row["measured"]),
        **_named("setting", request.config if request else {}),
    }


def _named(kind: str, values: Mapping[str, Any]) -> Row:
    return {f"{kind} {key}": value for key, value in values.items()}


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_ACTIVE) else value


def _best_row(view: RunView, best: Best) -> Row:
    return {
        "metric": best.metric,
        "value": _number(best.value),
        "epoch": _number(best.epoch),
        "step": best.step,
        "run": view.run,
        "beside": {name: _number(value) for name, value in sorted(best.beside.items())},
    }


def _number(value: float | None) -> float | int | None:
    """A number as JSON has it: whole ones as such, None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value
