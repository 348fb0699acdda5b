"""Puts what the app says of the six shipped versions into docs/findings_vs_notes.md, beside the author's notes.

    python docs/findings_vs_notes.py --lab DIR

The runs are real ones: those that the lab has, else it is made and they are trained, with `imgexp-tui run … --wait`.
Stats and findings are what `show --json` and `findings --json` print. What stands outside the marks in the page, which
is the comparison itself, is written by hand and kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).with_suffix(".md")
VERSIONS = ["v0", "v1", "v2", "v3", "V4", "V5"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lab", type=Path, required=True, help="where the runs are, or will be")
    lab = options.parse_args().lab
    if not (lab / "experiments.toml").exists():
        lab.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "experiments.toml", lab)
    ended = {run["version"] for run in _json(lab, "runs") if run["state"] == "finished"}
    if missing := [name for name in VERSIONS if name not in ended]:
        subprocess.run([*_command(lab), "run", *missing, "--wait"], check=True)
    page = PAGE.read_text()
    for found in _json(lab, "findings", *VERSIONS):
        page = _put(page, found["version"], _said(lab, found))
    PAGE.write_text(page)
    return 0


def _command(lab: Path) -> list[str]:
    return [sys.executable, "-m", "imgexp_tui", "-C", str(lab)]


def _json(lab: Path, *words: str) -> Any:
    return json.loads(subprocess.run([*_command(lab), *words, "--json"], capture_output=True, check=True).stdout)


def _said(lab: Path, found: dict[str, Any]) -> str:
    """The stats and the findings of one version as lines."""
    run = _json(lab, "show", found["run"])
    lines = [f"epoch {run['epoch']} of {run['config']['epochs']}, {run['state']}"]
    lines += [f"{name}: {value}" for name, value in run["measured"].items()]
    for one in found["findings"]:
        lines.append(f"{one['severity']:<8} {one['name']}: {one['sentence']}")
        lines += [f"         -> {one['suggestion']}"] if one["suggestion"] else []
    return "\n".join([*lines, *([] if found["findings"] else ["no findings"])])


def _put(page: str, version: str, text: str) -> str:
    """Put the lines between their marks in the page."""
    start, end = f"<!-- the app on {version} -->\n", f"<!-- end of {version} -->"
    before, rest = page.split(start)
    return f"{before}{start}\n```text\n{text}\n```\n\n{end}{rest.split(end)[1]}"


if __name__ == "__main__":
    sys.exit(main())
