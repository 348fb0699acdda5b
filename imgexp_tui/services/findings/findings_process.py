"""Evaluates the findings of a run with a long record in another process, which keeps the app responsive."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.source import LONG_RECORD_BYTES
from imgexp_tui.records.metrics.source_registry import metrics_size
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.text import clean_line

COMMAND_ARGUMENTS = ("-P", "-m", "imgexp_tui", "findings", "", "--json")
"""Arguments of the command; the empty one is replaced by the run's id."""
_POLL_INTERVAL = 0.1
"""Seconds between two checks whether the result is still wanted."""


def has_long_record(lab: Path, run: RunDir, max_runs: int) -> bool:
    """Whether the record of a run, or of a run to compare with, takes long to read.

    Args:
        max_runs: number of runs per version to compare with.
    """
    request = Request.read(run)
    versions = dict.fromkeys((run.version, *([request.base] if request and request.base else [])))
    return any(
        metrics_size(one) > LONG_RECORD_BYTES
        for one in (run, *(r for v in versions for r in find_runs(lab, v)[:max_runs]))
    )


def evaluate_in_subprocess(lab: Path, run: str, is_wanted: Callable[[], bool]) -> tuple[Finding, ...]:
    """The findings of a run by the command `imgexp-tui findings`; () as soon as `is_wanted` returns False.

    Raises:
        OSError, ValueError: the command failed, or its output cannot be parsed.
    """
    argv = ["nice", "-n", "10", sys.executable, *(word or run for word in COMMAND_ARGUMENTS)]
    with subprocess.Popen(
        argv, cwd=lab, env=os.environ | {"PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while True:
            try:
                output, errors = process.communicate(timeout=_POLL_INTERVAL)
                break
            except subprocess.TimeoutExpired:
                if not is_wanted():
                    process.kill()
                    return ()
    if process.returncode:
        raise ValueError(clean_line(errors.decode(errors="replace")))
    return tuple(_parse_finding(row) for one in orjson.loads(output) for row in one["findings"])


def _parse_finding(row: dict[str, Any]) -> Finding:
    evidence = Evidence(tuple(row["series"]), row["first"], row["last"])
    return Finding(
        row["name"], Severity(row["severity"]), row["sentence"], evidence, row["suggestion"], row["change"] or None
    )
