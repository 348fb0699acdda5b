"""Makes the exported report that the docs show: python docs/report.py

Trains some of the shipped notebook's versions in a lab of their own, sized to end within half an hour on two CPU cores,
and exports what came out to docs/report/: everything as markdown, two of the versions as HTML. Three seeds of v0 stand
as one group; V4 is stopped and resumed, so that its curves show where; v1 and V5 are left as they are: not run yet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "report"
SMALL = ("--set", "train_samples=1000", "--set", "valid_samples=400")
RUNS = (
    ("v0", "--seeds", "3", "--set", "epochs=8"),
    ("v2", "--set", "epochs=8", "--set", "batch_size=128"),
    ("v3", "--set", "epochs=14"),
)
BROKEN_OFF = ("V4", "--set", "epochs=14")
BREAK = 6
"""Epochs of V4 before its first attempt ends."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lab", type=Path, help="keep the runs here; a lab that has some is exported as it is")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("XDG_STATE_HOME", folder)
        lab = arguments.lab or Path(folder) / "patchwork"
        lab.mkdir(parents=True, exist_ok=True)
        if not (lab / "experiments.toml").exists():
            shutil.copy(ROOT / "experiments.toml", lab)
        if not _runs(lab):
            _train(lab)
        REPORT.mkdir(exist_ok=True)
        _cli(lab, "export", "-o", str(REPORT / "notebook.md"))
        _cli(lab, "export", "v0", "V4", "-o", str(REPORT / "v0_and_V4.html"))


def _train(lab: Path) -> None:
    for version, *words in RUNS:
        _cli(lab, "run", version, *SMALL, *words, "--wait")
    version, *words = BROKEN_OFF
    _cli(lab, "run", version, *SMALL, *words)
    deadline = time.monotonic() + 600
    while (_runs(lab, version)[0]["epoch"] or 0) <= BREAK:
        if time.monotonic() > deadline:
            raise SystemExit(f"{version} did not come to epoch {BREAK}")
        time.sleep(0.2)
    _cli(lab, "stop", version)
    _cli(lab, "resume", version, "--wait")


def _cli(lab: Path, *words: str) -> str:
    command = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _runs(lab: Path, *version: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_cli(lab, "runs", *version, "--json"))
    return found


if __name__ == "__main__":
    main()
