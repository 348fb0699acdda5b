"""`export`: what goes where, what may be chosen, and what the app's key does with it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui.cli import main
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.services.actions import runs
from tests.conftest import NewLab
from tests.support.judged_runs import AUROC, LOSS, a_judged_run
from tests.support.recorded_runs import PLAN, a_run

NOTEBOOK = """\
[lab]
title = "A lab"
[versions.v0]
summary = '''First.'''
[versions.v1]
base = "v0"
summary = '''Second.'''
[versions.v1.train]
batch_size = 512
"""
RUN = "20260101-000000-aaaaaa"


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK, "lab")
    a_run(lab, "v0", RUN, [0.5, 0.4], events=[PLAN])
    return lab


def export(lab: Path, *words: str) -> int:
    return main(["-C", str(lab), "export", *words])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_page_has_its_plots_beside_it_and_the_same_lab_gives_the_same_bytes(lab: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        assert export(lab, "-o", str(folder / "report.md")) == 0
    assert files(first) == files(second)
    assert set(files(first)) == {"report.md", *(f"report_files/{n}" for n in ("v0.png", "v0.svg", "files.sha256"))}
    assert b"](report_files/v0.png)" in files(first)["report.md"]
    assert str(tmp_path).encode() not in b"".join(files(first).values())


def test_the_list_of_plots_is_one_that_sha256sum_reads(lab: Path, tmp_path: Path) -> None:
    assert export(lab, "-o", str(tmp_path / "report.md")) == 0
    done = subprocess.run(["sha256sum", "-c", "files.sha256"], cwd=tmp_path / "report_files", capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"v0.png: OK\nv0.svg: OK\n")


def test_on_standard_output_there_are_no_plots_and_that_is_said(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(lab)
    assert export(lab) == 0
    printed = capsys.readouterr()
    assert "![" not in printed.out and "valid/loss" in printed.out
    assert printed.err == "without plots, which need a place: name a file with -o\n"
    assert export(lab, "--parts", "summary") == 0
    assert capsys.readouterr().err == ""
    assert files(lab) == before


def test_the_ending_of_the_file_says_the_format_and_an_option_overrules_it(lab: Path, tmp_path: Path) -> None:
    for name, begins in (("a.html", "<!doctype html>"), ("a.csv", "version,"), ("a.json", "["), ("a.txt", "<!-- made")):
        assert export(lab, "-o", str(tmp_path / name)) == 0
        assert (tmp_path / name).read_text().startswith(begins)
    assert export(lab, "--format", "plain", "-o", str(tmp_path / "a.html")) == 0
    assert (tmp_path / "a.html").read_text().startswith("v0\n--\n")


@pytest.mark.parametrize("words", [["v1"], ["--versions", "v1"], ["--versions", "v1, v1", "v1"]])
@pytest.mark.parametrize("format_", ["markdown", "html", "plain", "json", "csv"])
def test_versions_are_chosen_for_every_format(
    lab: Path, capsys: pytest.CaptureFixture[str], words: list[str], format_: str
) -> None:
    assert export(lab, "--format", format_, *words) == 0
    output = capsys.readouterr().out
    assert "Second." in output and "First." not in output
    if format_ == "json":
        assert [row["name"] for row in json.loads(output)] == ["v1"]
    if format_ in ("json", "markdown"):
        assert "512" in output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["v7"], 1, "has no version v7; it has v0, v1"),
        (["--versions", "v0,vv1"], 1, "has no version vv1; did you mean v1?"),
        (["--parts", "summary,plot"], 2, "a page has no part plot; did you mean plots?"),
        (
            ["--parts", "zzz"],
            2,
            "there are comparison, ideas, summary, config, stats, metrics, plots, findings and takeaways",
        ),
        (["--parts", ","], 2, "--parts names none"),
        (["--format", "csv", "--parts", "plots"], 2, "csv has no parts"),
        (["-o", "no/such/folder/notebook.md"], 1, "cannot write"),
        (["-o", "no/such/folder/notebook.html"], 1, "cannot write"),
        (["-o", "."], 1, "cannot write"),
    ],
)
def test_mistakes_are_one_sentence(
    lab: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    assert export(lab, *words) == code
    err = capsys.readouterr().err
    assert message in err and err.count("\n") <= 2


def test_somebody_s_plot_is_not_overwritten(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notebook_files").mkdir()
    (tmp_path / "notebook_files" / "v0.png").write_bytes(b"mine")
    assert export(lab, "-o", str(tmp_path / "notebook.md")) == 1
    assert "v0.png is not as an export left it; move it away" in capsys.readouterr().err
    assert not (tmp_path / "notebook.md").exists()
    assert files(tmp_path / "notebook_files") == {"v0.png": b"mine"}


def test_plots_of_versions_that_are_left_out_now_go(lab: Path, tmp_path: Path) -> None:
    assert export(lab, "-o", str(tmp_path / "notebook.md")) == 0
    assert export(lab, "v1", "-o", str(tmp_path / "notebook.md")) == 0
    assert not (tmp_path / "notebook_files").exists()


def test_a_link_is_followed_and_a_pipe_is_written_to(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.md").symlink_to(tmp_path / "real" / "notebook.md")
    assert export(lab, "-o", str(tmp_path / "link.md")) == 0
    assert (tmp_path / "link.md").is_symlink()
    assert {p.name for p in (tmp_path / "real").iterdir()} == {"notebook.md", "notebook_files"}
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        assert export(lab, "-o", str(tmp_path / "pipe")) == 0
        assert reader.stdout and b"Second." in reader.stdout.read()
    assert (tmp_path / "pipe").is_fifo()


def test_the_plotting_library_is_loaded_only_where_there_is_something_to_draw(lab: Path, tmp_path: Path) -> None:
    for words, loaded in (([], False), (["v1", "-o", "x.md"], False), (["-o", "y.md"], True)):
        code = f"from imgexp_tui.cli import main; import sys; main({['-C', str(lab), 'export', *words]}); print()"
        code += "; print('matplotlib' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stdout.splitlines()[-1] == str(loaded), words


def test_the_app_s_key_writes_the_same_page_in_a_process_of_its_own(lab: Path, tmp_path: Path) -> None:
    assert export(lab, "-o", str(tmp_path / "notebook.md")) == 0
    code = (
        "import sys; from pathlib import Path\n"
        "from imgexp_tui.notebook.load import load_notebook; from imgexp_tui.services.actions import runs\n"
        f"lab = Path({str(lab)!r})\nprint(runs.export(load_notebook(lab)))\nassert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"Written: {lab / 'notebook.md'}\n"
    assert (lab / "notebook.md").read_bytes() == (tmp_path / "notebook.md").read_bytes()
    assert files(lab / "notebook_files") == files(tmp_path / "notebook_files")


def test_the_app_says_why_nothing_was_exported(lab: Path) -> None:
    (lab / "notebook_files").write_text("mine")
    with pytest.raises(runs.ActionError, match=r"^Not exported: .*is there already and is no folder; .*output\.$"):
        runs.export(load_notebook(lab))


def test_every_format_tells_the_best_of_the_judge(new_lab: NewLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab = new_lab('[lab]\njudge = "valid/auroc"\n[versions.v0]\n', "judged")
    a_judged_run(lab, "v0", "valid/auroc", "higher", auroc=AUROC, loss=LOSS)
    assert export(lab, "-o", str(lab / "report.md")) == export(lab, "-o", str(lab / "report.html")) == 0
    page = (lab / "report.md").read_text()
    assert "best auroc" in page and "0.9000" in page
    assert "0.9000" in (lab / "report.html").read_text()
    capsys.readouterr()
    assert export(lab, "--format", "json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [(one["metric"], one["value"]) for one in (row["best"], row["run_details"][0]["best"])] == [
        ("valid/auroc", 0.9)
    ] * 2
    assert export(lab, "--format", "csv") == 0
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (line["best metric"], line["best value"]) == ("valid/auroc", "0.9")
