"""The findings of a long record, from a process of their own: reading it here would hold up the app for seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.sampling import LONG
from imgexp_tui.text import clean_line

_TIME = 600.0


def is_long(lab: Path, run: RunDir, most: int) -> bool:
    """Whether this record, or any that it is compared with, takes long to read.

    Args:
        most: runs of a version that are compared.
    """
    request = Request.read(run)
    versions = dict.fromkeys((run.version, *([request.base] if request and request.base else [])))
    return any(_size(one) > LONG for one in (run, *(r for v in versions for r in find_runs(lab, v)[:most])))


def findings_apart(lab: Path, run: str) -> tuple[Finding, ...]:
    """What `imgexp-tui findings` says of a run.

    Raises:
        OSError, ValueError, subprocess.SubprocessError: it said nothing that can be read.
    """
    argv = ["nice", "-n", "10", sys.executable, "-P", "-m", "imgexp_tui", "findings", run, "--json"]
    done = subprocess.run(
        argv, cwd=lab, env=os.environ | {"PYTHONSAFEPATH": "1"}, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=_TIME, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ValueError(clean_line(done.stderr.decode(errors="replace")))
    return tuple(_finding(row) for one in orjson.loads(done.stdout) for row in one["findings"])


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
