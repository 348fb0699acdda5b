"""A trainer that only counts: metric lines at a fast pace, each acknowledged in a file of its own after it was written.

A line is lost where `acknowledged` names its step and the record does not. It has a child, as a data loader is one,
and goes on after its last line when it is started again. Takes the seconds between two lines, and how many it writes.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from imgexp_tui.records.jsonl import LineWriter, read_records

run = Path(os.environ["IMGEXP_RUN_DIR"])
pace, most = float(sys.argv[1]), int(sys.argv[2])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
child = subprocess.Popen(["sleep", "600"])
step = max((line["step"] for line in read_records(run / "metrics.jsonl")), default=0)
acknowledged = os.open(run / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
writer = LineWriter(run / "metrics.jsonl")
while not asked and step < most:
    step += 1
    writer.write({"step": step, "epoch": 1, "time": time.time(), "train/loss": 1 / step})
    os.write(acknowledged, f"{step}\n".encode())
    time.sleep(pace)
sys.exit(143 if asked else 0)
