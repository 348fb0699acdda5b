"""`imgexp-tui findings`, and the findings of an exported page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgexp_tui import paths
from imgexp_tui.cli import main
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.reports.markdown import render_markdown
from imgexp_tui.reports.page import page_blocks
from tests.conftest import NewLab
from tests.support.made_up_runs import made_up

SAID = "Validation leaves out 52 of 500 images: the last, incomplete batch of 64."


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab('[versions.v0]\n[versions.v1]\nbase = "v0"\n[versions.v2]\n')
    made_up(lab, version="v0", epochs={"valid/loss": [0.69, 0.5], "valid/samples": [500] * 2})
    epochs = {"valid/loss": [0.69, 0.25], "valid/samples": [448] * 2}
    made_up(lab, base="v0", epochs=epochs, plan={"valid_samples": 500}, config={"dropout": 0.2})
    return lab


def run(lab: Path, *words: str) -> int:
    return main(["-C", str(lab), "findings", *words])


def test_it_prints_sentences_suggestions_and_evidence(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab, "v1") == 0
    output = capsys.readouterr().out
    assert output.startswith("v1/20260101-000000-abcdef: finished\n")
    assert f" ! {SAID}\n   -> Do not drop the last batch" in output
    assert "(validation: valid/samples, steps 10 to 20)" in output
    assert "With dropout 0 → 0.2, valid/loss got better by 50% against v0 (0.5 → 0.25)" in output


def test_without_names_it_tells_of_every_version_that_ran(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab, "--json") == 0
    v0, v1 = json.loads(capsys.readouterr().out)
    assert (v0["version"], v1["version"], v1["state"]) == ("v0", "v1", "finished")
    (one,) = [found for found in v1["findings"] if found["name"] == "validation"]
    assert one["sentence"] == SAID
    assert (one["severity"], one["series"], one["first"], one["last"]) == ("warning", ["valid/samples"], 10, 20)
    (file := lab / paths.NOTEBOOK).write_text('[lab]\nfindings_off = ["validation"]\n' + file.read_text())
    assert run(lab, "20260101-000000", "--json") != 0, "two runs begin so"
    capsys.readouterr()
    assert run(lab, "v1", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {found["name"] for found in row["findings"]} == {"against_base"}


@pytest.mark.parametrize(
    ("name", "message"), [("v2", "v2 has no run yet; start one with"), ("v9", "no version v9; it has v0, v1, v2")]
)
def test_what_is_not_there_is_said(lab: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab, name) == 1
    assert message in capsys.readouterr().err


def test_a_page_has_them_where_they_are_asked_for(lab: Path) -> None:
    from imgexp_tui.cli.common import read_runs_by_version

    notebook = load_notebook(lab)
    views = read_runs_by_version(notebook)
    assert f"- ! {SAID} Do not drop" in render_markdown(page_blocks(notebook, views, parts=["findings"]))
    others = ["comparison", "ideas", "summary", "config", "stats", "metrics", "takeaways"]
    assert SAID not in render_markdown(page_blocks(notebook, views, parts=others))
