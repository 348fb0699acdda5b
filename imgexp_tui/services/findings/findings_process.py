"""The findings of a long record, from a process of their own: reading it here would hold up the app for seconds."""

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
"""The empty one stands for the run."""
_POLL_INTERVAL = 0.1
"""Seconds between two questions whether it is still wanted."""


def has_long_record(lab: Path, run: RunDir, max_runs: int) -> bool:
    """Whether this record, or any that it is compared with, takes long to read.

    Args:
        max_runs: runs of a version that are compared.
    """
    request = Request.read(run)
    versions = dict.fromkeys((run.version, *([request.base] if request and request.base else [])))
    return any(
        metrics_size(one) > LONG_RECORD_BYTES
        for one in (run, *(r for v in versions for r in find_runs(lab, v)[:max_runs]))
    )


def evaluate_in_subprocess(lab: Path, run: str, is_wanted: Callable[[], bool]) -> tuple[Finding, ...]:
    """What `imgexp-tui findings` says of a run; () where it is `is_wanted` no more.

    Raises:
        OSError, ValueError: it said nothing that can be read.
    """
    argv = ["nice", "-n", "10", sys.executable, *(word or run for word in COMMAND_ARGUMENTS)]
    with subprocess.Popen(
        argv, cwd=lab, env=os.environ | {"PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while True:
            try:
                said, complaint = process.communicate(timeout=_POLL_INTERVAL)
                break
            except subprocess.TimeoutExpired:
                if not is_wanted():
                    process.kill()
                    return ()
    if process.returncode:
        raise ValueError(clean_line(complaint.decode(errors="replace")))
    return tuple(_parse_finding(row) for one in orjson.loads(said) for row in one["findings"])


def _parse_finding(row: dict[str, Any]) -> Finding:
    where = Evidence(tuple(row["series"]), row["first"], row["last"])
    return Finding(
        row["name"], Severity(row["severity"]), row["sentence"], where, row["suggestion"], row["change"] or None
    )
