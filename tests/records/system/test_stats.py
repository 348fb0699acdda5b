"""The stats of a real run whose allocation, CPU time and GPU are known, as its supervisor measures them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.runner.control import wait_for_end
from imgexp_tui.runner.launch import launch
from tests import native
from tests.helpers import stop_all

SECONDS = 8
TRAINER = f"""
import os, sys, time
with open(os.environ["FAKE_NVML"], "w") as file:
    file.write(f"\\nbusy 0 40\\nprocess 0 {{os.getpid()}} 1234\\nprocess 0 1 700\\n")
block = bytearray(os.urandom(1 << 20)) * 150
begin = time.monotonic()
while time.monotonic() < begin + {SECONDS}:
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    time.sleep(0.05)
with open(sys.argv[1], "w") as file:
    file.write(f"{{time.process_time()}}")
"""


@pytest.mark.compiler
def test_known_memory_cpu_time_and_card_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.driver(tmp_path)
    (tmp_path / "cards").write_text("\n")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "cards"))
    lab, used = tmp_path / "lab", tmp_path / "used"
    lab.mkdir()
    (lab / "trainer.py").write_text(TRAINER)
    (lab / "experiments.toml").write_text(f'[versions.v0]\ncommand = ["python", "trainer.py", "{used}"]\n')
    run = launch(load_notebook(lab), "v0")
    try:
        wait_for_end(run)
    finally:
        stop_all(lab)
    view = RunFollower(run)
    view.poll()
    stats = dict(measured_stats(view))
    # The card: its own 1,234 MB, not the other process's; 40 % throughout.
    assert stats["GPU Memory Usage"] == "1,234/8,126 MB"
    assert stats["GPU Utilization"] == "steady at about 40 %"
    # Memory: the block and an interpreter of some ten MB.
    found = re.fullmatch(r"(\d+)/[\d,]+ MB \(peak\)", stats["CPU Memory"])
    assert found and 150 <= int(found[1]) <= 150 + 30
    # CPU time: the record's share of a core, added up, is what the process itself counted; a second at either end may
    # lie outside of the samples.
    samples = jsonl.read_records(run.system)
    counted = sum(b["tree/cpu_percent"] / 100 * (b["time"] - a["time"]) for a, b in itertools.pairwise(samples))
    assert counted == pytest.approx(float(used.read_text()), abs=1.2)
    assert {s["tree/processes"] for s in samples[1:-1]} == {1}


def test_the_stats_of_a_run_that_has_ended_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text('[versions.v0]\ncommand = ["sleep", "1.5"]\n')
    run = launch(load_notebook(tmp_path), "v0")
    wait_for_end(run)
    first, second = RunFollower(run), RunFollower(run)
    first.poll()
    second.poll()
    assert measured_stats(first) == measured_stats(second) != []
    assert not first.poll()
