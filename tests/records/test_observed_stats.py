"""What people note of a run's stats, beside what was measured."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from imgexp_tui.cli import main
from imgexp_tui.cli.common import read_runs
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.plain.reader import parse_plain
from imgexp_tui.records import jsonl
from imgexp_tui.records.observed_stats import DIFFERS, IMPOSSIBLE, find_discrepancies
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.reports.markdown import render_markdown
from imgexp_tui.reports.page import page_blocks
from imgexp_tui.reports.tabular import csv_text, run_row
from imgexp_tui.views.notes.panel import note_lines
from imgexp_tui.views.styled import plain_text
from tests.conftest import NewLab
from tests.support.recorded_runs import a_run

MEASURED = (
    ("GPU Memory Usage", "1,985/8,126 MB"),
    ("GPU Utilization", "swings between 0 and 98 %, above 90 % in 12 % of the time"),
    ("CPU Memory", "2,425/30,147 MB (peak; +3 MB/min, level since epoch 4)"),
    ("Epoch time (train)", "~70 s"),
    ("Epoch time (valid)", "~3.2 s"),
)


def said(observed: str, measured: tuple[tuple[str, str], ...] = MEASURED) -> list[str]:
    return [str(remark) for remark in find_discrepancies(observed, measured)]


@pytest.mark.parametrize(
    "observed",
    [
        "",
        "It ran.",
        "GPU Memory Usage: 1,985/8,126 MB",
        "GPU Memory Usage: about 2 GB",
        "gpu mem: 1.9/7.9 GB",
        "- GPU Utilization: big fluctuations between 0-98%, only high for brief moments",
        "GPU Utilization: Mostly either 0 or 100, I think because batches take a long time to load.",
        "GPU Utilization: low",
        "CPU Memory: up to ~2,500/30,147 MB (initially thought there was a memory leak since epoch 12)",
        "Epoch time (train): ~1 minute",
        "Epoch time: 1m 12s, then the next",
        "GPU temperature: 80 % of the limit",
        "Memory of it: none",
        "\n".join(f"{label}: {text}" for label, text in MEASURED),
    ],
)
def test_what_agrees_or_says_nothing_in_numbers_is_left_alone(observed: str) -> None:
    assert said(observed) == []


@pytest.mark.parametrize(
    ("observed", "remark"),
    [
        ("GPU Memory Usage: 5,913/8,126 MB", "≠ measured 1,985/8,126 MB"),
        ("VRAM: 5.9 GB", "≠ measured 1,985/8,126 MB"),
        ("GPU Memory Usage: 1,985/24,000 MB", "≠ measured 1,985/8,126 MB"),
        ("GPU Utilization: mostly at 99%, sometimes drops to 50% but it's pretty brief", "≠ measured swings between 0"),
        ("GPU util: 40 %", "≠ measured swings between 0"),
        ("RAM: 4,000 MB", "≠ measured 2,425/30,147 MB (peak"),
        ("Epoch time (train): ~2 min", "≠ measured ~70 s"),
        ("Epoch time (validation): 10s", "≠ measured ~3.2 s"),
    ],
)
def test_what_disagrees_is_marked_with_what_was_measured(observed: str, remark: str) -> None:
    (found,) = find_discrepancies(f"first\n{observed}", MEASURED)
    assert (found.line, found.kind) == (1, DIFFERS) and str(found).startswith(remark)


def test_what_cannot_be_is_marked_also_without_a_measurement() -> None:
    assert said("GPU Memory Usage: 11,889/8,126 MB", ()) == ["✗ cannot be: 11,889 MB of 8,126 MB"]
    (found,) = find_discrepancies("GPU Memory Usage: 11,889/8,126 MB", MEASURED)
    assert found.kind == IMPOSSIBLE and found.sentence.endswith("; measured 1,985/8,126 MB")
    assert said("GPU Utilization: 120 %", ()) == ["✗ cannot be: 120 %"]
    assert said("CPU Memory: 31 of 30 GB", ()) == ["✗ cannot be: 31,744 MB of 30,720 MB"]


def test_of_several_gpus_one_that_agrees_is_enough() -> None:
    two = (("GPU 0 Memory Usage", "100/8,126 MB"), ("GPU 1 Memory Usage", "5,900/8,126 MB"))
    assert said("GPU Memory Usage: 5,913/8,126 MB", two) == []
    assert said("GPU Memory Usage: 3,000/8,126 MB", two) == ["≠ measured 100/8,126 MB and 5,900/8,126 MB"]


def test_the_researchers_own_notes(notes_file: Path) -> None:
    """One of the six versions holds what cannot be, and nothing else is called out where nothing was measured."""
    notes = parse_plain(notes_file.read_text())
    found = {v.name: [str(r) for r in find_discrepancies(v.observed, ())] for v in notes.versions}
    assert {name: texts for name, texts in found.items() if texts} == {"v1": ["✗ cannot be: 11,889 MB of 8,126 MB"]}


NOTEBOOK = """
[versions.v0]
observed = '''
GPU Memory Usage: 11,889/8,126 MB
It took long.
CPU Memory: 9,000/30,147 MB
Epoch time (train): ~70 s'''
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    """A lab with one run, which took 2,425 MB and 70 s an epoch."""
    lab = new_lab(NOTEBOOK)
    view = a_run(lab, "v0", "20260101-000000-aaaaaa", [0.4, 0.3])
    mega = 1024 * 1024
    jsonl.append_line(view.run_dir.metrics, {"step": 5, "epoch": 3, "time": 4.0, "time/epoch_train": 70.0})
    jsonl.append_line(view.run_dir.system, {"time": 1.0, "tree/memory": 2425 * mega, "host/memory_total": 30147 * mega})
    return lab


def test_the_page_marks_what_disagrees(lab: Path) -> None:
    views = {"v0": read_runs(lab, "v0")}
    text = render_markdown(page_blocks(load_notebook(lab), views))
    assert "GPU Memory Usage: 11,889/8,126 MB ✗ cannot be: 11,889 MB of 8,126 MB\n" in text
    assert "CPU Memory: 9,000/30,147 MB ≠ measured 2,425/30,147 MB (peak)\n" in text
    assert text.count("≠") == text.count("✗") == 1
    alone = render_markdown(page_blocks(load_notebook(lab), {}))
    assert "✗" in alone and "≠" not in alone


def test_the_command_marks_what_disagrees(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(lab), "show", "v0"]) == 0
    output = capsys.readouterr().out
    assert "CPU Memory: 9,000/30,147 MB ≠ measured 2,425/30,147 MB (peak)" in output and "✗ cannot be" in output


def test_the_notes_pane_marks_a_line_below_it(lab: Path) -> None:
    (view,) = read_runs(lab, "v0")
    shown = note_lines(load_notebook(lab).versions["v0"], (), measured_stats(view), 60)
    texts = [plain_text(line).strip() for line in shown]
    at = texts.index("observed   GPU Memory Usage: 11,889/8,126 MB")
    assert texts[at + 1 : at + 6] == [
        "✗ cannot be: 11,889 MB of 8,126 MB",
        "It took long.",
        "CPU Memory: 9,000/30,147 MB",
        "≠ measured 2,425/30,147 MB (peak)",
        "Epoch time (train): ~70 s",
    ]
    assert {role for text, role in shown[at + 1] if "✗" in text} == {"bad"}


def test_what_was_measured_is_exported(lab: Path) -> None:
    views = {"v0": read_runs(lab, "v0")}
    (row,) = csv.DictReader(io.StringIO(csv_text(load_notebook(lab), views)))
    assert row["measured CPU Memory"] == "2,425/30,147 MB (peak)" and row["measured Epoch time (train)"] == "~70 s"
    assert run_row(views["v0"][0])["measured"]["Epoch time (train)"] == "~70 s"
