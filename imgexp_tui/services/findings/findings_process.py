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
from imgexp_tui.records.metrics.sampling import LONG
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.text import clean_line

ARGUMENTS = ("-P", "-m", "imgexp_tui", "findings", "", "--json")
"""The empty one stands for the run."""
_PACE = 0.1
"""Seconds between two questions whether it is still wanted."""


def is_long(lab: Path, run: RunDir, most: int) -> bool:
    """Whether this record, or any that it is compared with, takes long to read.

    Args:
        most: runs of a version that are compared.
    """
    request = Request.read(run)
    versions = dict.fromkeys((run.version, *([request.base] if request and request.base else [])))
    return any(_size(one) > LONG for one in (run, *(r for v in versions for r in find_runs(lab, v)[:most])))


def findings_apart(lab: Path, run: str, wanted: Callable[[], bool]) -> tuple[Finding, ...]:
    """What `imgexp-tui findings` says of a run; () where it is `wanted` no more.

    Raises:
        OSError, ValueError: it said nothing that can be read.
    """
    argv = ["nice", "-n", "10", sys.executable, *(word or run for word in ARGUMENTS)]
    with subprocess.Popen(
        argv, cwd=lab, env=os.environ | {"PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while True:
            try:
                said, complaint = process.communicate(timeout=_PACE)
                break
            except subprocess.TimeoutExpired:
                if not wanted():
                    process.kill()
                    return ()
    if process.returncode:
        raise ValueError(clean_line(complaint.decode(errors="replace")))
    return tuple(_finding(row) for one in orjson.loads(said) for row in one["findings"])


def _finding(row: dict[str, Any]) -> Finding:
    where = Evidence(tuple(row["series"]), row["first"], row["last"])
    return Finding(
        row["name"], Severity(row["severity"]), row["sentence"], where, row["suggestion"], row["change"] or None
    )


def _size(run: RunDir) -> int:
    try:
        return run.metrics.stat().st_size
    except OSError:
        return 0
