"""What was submitted is what runs: the lab's source as it was when the run was asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir, create_run_dir
from imgexp_tui.runner.control import resume, stop, wait_for_end
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.source_copy import copy_source
from tests.conftest import NewLab


@pytest.fixture
def lab(new_lab: NewLab, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "src" / "net").mkdir(parents=True)
    (tmp_path / "src" / "net" / "__init__.py").write_text("WORD = 'first'\n")
    (tmp_path / "src" / "helper.py").write_text("WORD = 'first'\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "image.txt").write_text("pixels")
    (tmp_path / "src" / "table.csv").write_text("1,2")
    (tmp_path / "src" / "settings.yaml").write_text("first")
    (tmp_path / "src" / "train.py").write_text(
        "import helper, net, os, pathlib, sys, time\n"
        "here = pathlib.Path(__file__).parent\n"
        "print(helper.WORD, net.WORD, (here / 'settings.yaml').read_text(), (here / 'table.csv').read_text(),\n"
        "      (here.parent / 'data/image.txt').read_text(), os.path.samefile('.', sys.argv[1]), flush=True)\n"
        "open('written.txt', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(.02)\n"
    )
    lab = new_lab(
        "[versions.hold]\ncommand = ['sleep', '600']\n[versions.script]\n"
        f"command = ['python', 'src/train.py', '{tmp_path}']\n"
        "[versions.module]\ncommand = ['python', '-m', 'main']\n"
        "[versions.shell]\ncommand = ['sh', 'run.sh']\n",
        runs=True,
    )
    (tmp_path / "main.py").write_text("print('first', flush=True)\n")
    (tmp_path / "run.sh").write_text("echo first\n")
    yield lab
    (lab / "go").touch()


def change_all(lab: Path) -> None:
    for path in (*lab.glob("src/**/*.py"), lab / "main.py", lab / "run.sh", lab / "src" / "settings.yaml"):
        path.write_text(path.read_text().replace("first", "second"))


@pytest.mark.parametrize(
    ("version", "printed"),
    [("script", "first first first 1,2 pixels True\n"), ("module", "first\n"), ("shell", "first\n")],
)
def test_a_run_that_waited_runs_what_was_submitted(lab: Path, version: str, printed: str) -> None:
    first = launch(load_notebook(lab), "hold")
    run = launch(load_notebook(lab), version)
    assert not run.log.exists()
    change_all(lab)
    (lab / "go").touch()
    stop(first)
    wait_for_end(first)
    wait_for_end(run)
    assert run.log.read_text() == printed
    if version == "script":
        assert (lab / "written.txt").exists()  # what it writes lands where it always did


def test_a_resumed_run_runs_it_too(lab: Path) -> None:
    run = launch(load_notebook(lab), "script")
    stop(run)
    wait_for_end(run)
    change_all(lab)
    (lab / "go").touch()
    resume(run)
    wait_for_end(run)
    assert "second" not in run.log.read_text()


def test_the_shipped_trainer_takes_a_users_encoder_from_the_copy(lab: Path) -> None:
    (lab / "mine.py").write_text("from torch import nn\nclass Net(nn.Module): ...\n")
    text = "[versions.v0.train]\nencoder = 'mine:Net'\n[versions.v1.train]\nencoder = 'small_conv'\n"
    (lab / "experiments.toml").write_text(text + "[versions.hold]\ncommand = ['sleep', '600']\n")
    launch(load_notebook(lab), "hold")
    for version, source in (("v0", "source"), ("v1", "")):
        run = launch(load_notebook(lab), version)
        request = Request.read(run)
        assert request and request.source == source
        assert (run.path / "source").exists() == bool(source)


def test_a_later_attempt_names_the_packages_that_changed(lab: Path) -> None:
    run = launch(load_notebook(lab), "hold")
    stop(run)
    wait_for_end(run)
    request = Request.read(run)
    assert request
    run.request.unlink()
    replace(request, packages=request.packages | {"torch": "2.0.0"}).write(run)
    resume(run)
    until = time.monotonic() + 30
    while not (warned := [e["message"] for e in jsonl.read_records(run.events) if e["kind"] == "warning"]):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert warned == [
        f"this attempt runs with torch {request.packages['torch']} in place of 2.0.0, so that its numbers may differ"
    ]


def test_what_is_no_source_is_linked_and_what_is_made_is_left_out(lab: Path) -> None:
    (lab / "runs").mkdir()
    (lab / "venv" / "lib").mkdir(parents=True)
    (lab / "venv" / "pyvenv.cfg").touch()
    (lab / "venv" / "lib" / "torch.py").touch()
    (lab / ".git").mkdir()
    (lab / "big.json").write_text(" " * 300_000)
    many = lab / "many"
    many.mkdir()
    for i in range(2_100):
        (many / f"{i}.py").touch()
    run = create_run_dir(lab, "v0")
    assert copy_source(lab, run) == 6
    source = run.path / "source"
    assert {p.name for p in source.iterdir()} == {"src", "data", "main.py", "run.sh", "big.json", "many", "venv"}
    for name in ("data", "big.json", "many", "venv"):
        assert (source / name).is_symlink() and (source / name).resolve() == lab / name
    assert not (source / "src").is_symlink() and (source / "src" / "table.csv").is_symlink()


def test_a_lab_without_source_has_no_copy(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "labels.json").write_text("{}")
    run = RunDir(tmp_path / "runs" / "v0" / "x")
    assert copy_source(tmp_path, run) == 0
    assert not run.path.exists()
