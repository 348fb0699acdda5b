"""Trains the six shipped versions and writes what came out into docs/six_versions.md.

    python docs/six_versions.py                               on the generated images
    python docs/six_versions.py --photos path/to/photos.zip   and on photographs

The runs are real ones, made with `imgexp-tui run … --wait` in a lab of their own; the figures are read back with
`imgexp-tui runs --json` and `show --json`. What stands outside the table's marks in the page is kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "six_versions.md"
VERSIONS = ["v0", "v1", "v2", "v3", "V4", "V5"]
HEADER = (
    "| | encoder that ran | epochs | train loss | train accuracy | best valid loss (epoch) | valid accuracy there "
    "| best accuracy (epoch) | p by chance | s an epoch | peak memory, MB | state |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder or zip of photographs")
    options.add_argument("--lab", type=Path, help="keep the runs in this folder")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.lab or Path(temporary)
        sets = {"shapes": []} | ({"photos": ["--set", f"data={arguments.photos}"]} if arguments.photos else {})
        for name, overrides in sets.items():
            lab = base / name
            lab.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "experiments.toml", lab)
            start = time.monotonic()
            code = _cli(lab, "run", *VERSIONS, *overrides, "--wait")
            minutes = (time.monotonic() - start) / 60
            print(f"{name}: exit code {code}, {minutes:.1f} minutes in all", flush=True)
            _put(name, _table(lab, minutes))
    return 0


def _cli(lab: Path, *words: str) -> int:
    return subprocess.call([sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words])


def _json(lab: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def _table(lab: Path, minutes: float) -> str:
    latest: dict[str, Any] = {}
    for run in _json(lab, "runs"):
        latest.setdefault(run["version"], run)
    rows = "".join(_row(name, _json(lab, "show", latest[name]["run"])) for name in VERSIONS if name in latest)
    return f"{HEADER}{rows}\n{minutes:.0f} minutes for all, {os.cpu_count()} CPU cores.\n"


def _row(name: str, run: dict[str, Any]) -> str:
    """One version's line: its losses, and how likely guessing would do as well as its best-loss epoch."""
    curves = _epochs(Path(run["path"]) / "metrics.jsonl")
    last, best = run["metrics"], run["best"]
    there = best["beside"].get("valid/accuracy", math.nan)
    top = max(curves, key=lambda line: line["valid/accuracy"])
    samples = round(last["valid/samples"])
    seconds = sum(line["time/epoch_train"] + line["time/epoch_valid"] for line in curves) / len(curves)
    peak = _peak_memory(Path(run["path"]) / "system.jsonl")
    return (
        f"| {name} | {run['plan']['encoder']} | {run['epoch']} | {last['train/epoch_loss']:.4f} "
        f"| {last['train/epoch_accuracy']:.3f} | {best['value']:.4f} ({best['epoch']:g}) | {there:.3f} "
        f"| {top['valid/accuracy']:.3f} ({top['epoch']}) | {_by_chance(round(there * samples), samples):.1g} "
        f"| {seconds:.1f} | {peak:,.0f} | {run['state']} |\n"
    )


def _epochs(path: Path) -> list[dict[str, Any]]:
    """The lines of a record that close an epoch."""
    return [line for text in path.read_text().splitlines() if "valid/loss" in (line := json.loads(text))]


def _peak_memory(path: Path) -> float:
    """The largest memory of the run's processes, MB."""
    return max(json.loads(line).get("tree/memory") or 0 for line in path.read_text().splitlines()) / 2**20


def _by_chance(right: int, samples: int) -> float:
    """How likely a fair coin is right at least that often (exact one-sided binomial test)."""
    return sum(math.comb(samples, k) for k in range(right, samples + 1)) / 2**samples


def _put(name: str, table: str) -> None:
    """Put a table between its marks in the page."""
    page = PAGE.read_text()
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = page.split(start)
    PAGE.write_text(f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    sys.exit(main())
