"""What the supervisor of a run costs: its share of a core, and the size of the record that it writes.

    python benchmarks/supervising.py [--seconds 60] [--workers 8] [--check]

The run is real: a process that holds memory, with workers that share it, as data loaders do. Where there is a C
compiler, two cards answer through a driver built for the tests, so that its questions are asked too; what a real driver
takes to answer is not in the number. `--check` fails above 0.5 % of a core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imgexp_tui.monitor.proc import read_stat  # noqa: E402
from imgexp_tui.notebook.load import load_notebook  # noqa: E402
from imgexp_tui.records.documents import Process  # noqa: E402
from imgexp_tui.records.rundir import RunDir  # noqa: E402
from imgexp_tui.runner.control import stop, wait_for_end  # noqa: E402
from imgexp_tui.runner.launch import launch  # noqa: E402
from imgexp_tui.runner.supervisor.recorder import line_interval  # noqa: E402

LIMIT = 0.5
"""Percent of a core."""
TRAINER = """
import os, sys, time
block = bytearray(os.urandom(1 << 20)) * 200
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        while True:
            time.sleep(0.2)
            block[:4096] = bytes(4096)
step = 0
while True:
    step += 1
    with open(os.environ["IMGEXP_RUN_DIR"] + "/metrics.jsonl", "a") as file:
        file.write('{"step": %d, "time": %f, "train/loss": 0.5}\\n' % (step, time.time()))
    time.sleep(0.1)
"""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--workers", type=int, default=8)
    options.add_argument("--check", action="store_true", help=f"exit 1 above {LIMIT} %% of a core")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgexp-supervising-") as folder:
        cards = _set_environment(Path(folder))
        percent, line = _measure(Path(folder), arguments.seconds, arguments.workers)
    hour, day = _size(3600, line), _size(86400, line)
    print(f"{percent:.2f} % of a core over {arguments.seconds:g} s, {1 + arguments.workers} processes, {cards} GPUs")
    print(f"{line:.0f} bytes a line: {hour:.1f} MB in the first hour, {day:.1f} MB in the first day")
    print(f"percent={percent:.3f} line_bytes={line:.0f} hour_mb={hour:.2f} day_mb={day:.2f} cards={cards}")
    return int(arguments.check and percent > LIMIT)


def _set_environment(folder: Path) -> int:
    """State and driver of this measurement alone; how many cards there are."""
    os.environ |= {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
    if not shutil.which("gcc"):
        return 0
    source, library = ROOT / "tests" / "native" / "fake_nvml.c", folder / "libnvidia-ml.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    (folder / "cards").write_text("\n")
    os.environ |= {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": str(folder / "cards")}
    return 2


def _measure(lab: Path, seconds: float, workers: int) -> tuple[float, float]:
    (lab / "trainer.py").write_text(TRAINER)
    (lab / "experiments.toml").write_text(
        f'[lab]\ngrace = 1\n[versions.v0]\ncommand = ["python", "trainer.py", "{workers}"]\ngpus = 0\n'
    )
    run = launch(load_notebook(lab), "v0")
    try:
        time.sleep(5)  # it has found the workers by then
        before, used = time.monotonic(), _used(run)
        time.sleep(seconds)
        percent = 100 * (_used(run) - used) / (time.monotonic() - before)
        lines = run.system.read_bytes().splitlines()
        return percent, sum(map(len, lines)) / len(lines) + 1
    finally:
        stop(run)
        wait_for_end(run)


def _used(run: RunDir) -> float:
    process = Process.read(run)
    found = read_stat(process.supervisor.pid) if process and process.supervisor else None
    assert found, "the supervisor is gone"
    return found.cpu_seconds


def _size(seconds: float, line: float) -> float:
    """Megabytes of the record of a run that is `seconds` old."""
    age = count = 0.0
    while age < seconds:
        age += line_interval(age)
        count += 1
    return count * line / 1e6


if __name__ == "__main__":
    sys.exit(main())
