"""Reading the notebook for the app and the commands: names of findings are checked against the rules there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgexp_tui.cli import main
from imgexp_tui.services.notebook_reader import load_checked, read_notebook

WRONG = "experiments.toml:2: lab.findings_off: 'starvd' is no finding; did you mean starved?"


def write(lab: Path, names: str) -> None:
    (lab / "experiments.toml").write_text(f"[lab]\nfindings_off = {names}\n\n[versions.v0]\n")


def test_a_misspelt_finding_is_reported_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, '["memory", "starvd"]')
    loaded = read_notebook(tmp_path).notebook
    assert loaded and [str(problem) for problem in loaded.problems] == [WRONG]
    assert main(["-C", str(tmp_path), "check"]) == 1
    assert WRONG in "".join(capsys.readouterr())


def test_every_rule_can_be_switched_off(tmp_path: Path) -> None:
    from imgexp_tui.findings.rules import names

    write(tmp_path, str(list(names())))
    assert load_checked(tmp_path).problems == ()
