"""Start to first frame, and memory, beside a bare Textual app, in turns in one run.

A start is measured from the spawn in a pseudo-terminal of 120×40 until the first version's name stands on the
screen (for the bare app: its one word). `--check` fails where the median of the ratios is over 1.4.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from terminal import record

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.4


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=11, help="counted starts of each")
    options.add_argument("--check", action="store_true", help=f"exit 1 where the ratio is over {LIMIT}")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lab = Path(folder) / "lab"
        lab.mkdir()
        shutil.copy(ROOT / "experiments.toml", lab)
        os.environ |= {"XDG_STATE_HOME": folder, "XDG_CACHE_HOME": folder, "TERM": "xterm-256color"}
        # Else each start would compile all of ours, and nothing of the libraries of the bare app.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        app = [sys.executable, "-m", "imgexp_tui", str(lab)]
        bare = [sys.executable, str(ROOT / "benchmarks" / "bare.py")]
        figures = [_pair(app, bare) for _ in range(arguments.runs + 1)][1:]
    ours, theirs = [[f[i] for f in figures] for i in (0, 1)]
    ratio = statistics.median(a[0] / b[0] for a, b in figures)
    rows = [("imgexp-tui, six versions", ours), ("bare Textual app", theirs)]
    print(f"{'':26} {'first frame, s':>24} {'peak memory, MB':>16}")
    print(f"{'':26} {'min':>8}{'median':>8}{'max':>8} {'median':>16}")
    for name, measured in rows:
        times, peaks = zip(*measured, strict=True)
        print(
            f"{name:26} {min(times):8.3f}{statistics.median(times):8.3f}{max(times):8.3f} "
            f"{statistics.median(peaks) / 2**20:16.1f}"
        )
    print(f"median of {arguments.runs} ratios, one pair each: {ratio:.2f} (limit {LIMIT})")
    medians = [statistics.median(t for t, _ in m) for _, m in rows]
    peaks = [statistics.median(p for _, p in m) / 2**20 for _, m in rows]
    print(
        f"first_frame_s={medians[0]:.3f} bare_s={medians[1]:.3f} ratio={ratio:.3f} "
        f"memory_mb={peaks[0]:.1f} bare_memory_mb={peaks[1]:.1f}"
    )
    return int(arguments.check and ratio > LIMIT)


def _pair(app: list[str], bare: list[str]) -> tuple[tuple[float, int], tuple[float, int]]:
    """One start of each: seconds until the word stood on the screen, and peak memory in bytes."""
    return _start(app, "v0"), _start(bare, "bare-app")


def _start(argv: list[str], word: str) -> tuple[float, int]:
    found = record(argv, until=word.encode())
    shown = found.first(lambda screen: any(word in line for line in screen))
    if shown is None:
        raise SystemExit(f"{word} never stood on the screen")
    return shown, found.peak


if __name__ == "__main__":
    sys.exit(main())
