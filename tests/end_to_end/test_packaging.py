"""The wheel and the sdist: built, installed into an environment without torch, and used there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.support.pty_terminal import Terminal

pytestmark = pytest.mark.index

NOTEBOOK = """\
[versions.v0]
summary = "the shipped trainer"
[versions.mine]
command = ["python", "train.py"]
"""
TRAINER = """\
import json, os
with open(os.environ["IMGEXP_RUN_DIR"] + "/metrics.jsonl", "a") as file:
    print(json.dumps({"step": 1, "valid/loss": 0.25}), file=file)
"""


def run(*words: object, cwd: Path | None = None, expect: int = 0) -> str:
    """Run a command outside the repository and without its PYTHONPATH; its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(w) for w in words], cwd=cwd or "/", env=environment, capture_output=True, text=True)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of a copy of the tree; the wheel is built from the sdist."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    skipped = (
        "./.git",
        "./.venv",
        "./.*_cache",
        "./.hypothesis",
        "__pycache__",
        "*.egg-info",
        "./runs",
        "./build",
        "./dist",
    )
    words = ["tar", "-c", *(f"--exclude={name}" for name in skipped), "-C", str(ROOT), "."]
    source.mkdir()
    packed = subprocess.Popen(words, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(source)], stdin=packed.stdout, check=True)
    assert packed.wait() == 0
    run(sys.executable, "-m", "build", "--outdir", folder, source)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`imgexp-tui` of an environment that has the wheel and the core's dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", packages[0])
    return folder / "bin" / "imgexp-tui"


def test_the_wheel_holds_every_file_of_the_package(packages: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(packages[0]) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("imgexp_tui/")}
    package = ROOT / "imgexp_tui"
    files = (f for f in package.rglob("*") if f.is_file() and f.suffix not in (".pyc", ".pyo"))
    assert names == {f.relative_to(ROOT).as_posix() for f in files}


def test_the_sdist_holds_what_its_tests_need(packages: tuple[Path, Path]) -> None:
    with tarfile.open(packages[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"Makefile", "pyproject.toml", "README.md", "experiments.toml", "tests/conftest.py"} <= names
    files = (f for f in (ROOT / "tests").rglob("*") if f.is_file() and f.suffix not in (".pyc", ".pyo"))
    assert {f.relative_to(ROOT).as_posix() for f in files} <= names


def test_the_core_works_without_torch(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    (tmp_path / "train.py").write_text(TRAINER)
    run(installed.with_name("python"), "-c", "import sys, importlib.util as u; sys.exit(bool(u.find_spec('torch')))")
    assert run(installed, "--version").startswith("imgexp-tui ")
    run(installed, "init", tmp_path / "new")
    run(installed, "-C", tmp_path / "new", "check")
    assert '"v0"' in run(installed, "-C", tmp_path, "list", "--json")
    refused = run(installed, "-C", tmp_path, "run", "v0", expect=1)
    assert refused.count("\n") == 1 and "pip install 'imgexp-tui[train]'" in refused and "torch" in refused
    assert not (tmp_path / "runs" / "v0").exists() or not list((tmp_path / "runs" / "v0").iterdir())
    assert "best valid/loss 0.25" in run(installed, "-C", tmp_path, "run", "mine", "--wait")
    assert "finished" in run(installed, "-C", tmp_path, "runs")
    assert "pip install 'imgexp-tui[train]'" in run(installed, "-C", tmp_path, "doctor")
    run(installed, "-C", tmp_path, "export", "-o", tmp_path / "notebook.md")
    assert list((tmp_path / "notebook_files").glob("*.png"))


def test_the_app_opens_without_torch_and_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    terminal = Terminal([str(installed), str(tmp_path)], {"PYTHONPATH": ""})
    try:
        terminal.shows("the shipped trainer")
        terminal.shows("r Run")
        terminal.type("r")
        terminal.shows("imgexp-tui[train]")
        terminal.type("\x11")
        assert terminal.ended() == 0
    finally:
        terminal.process.kill()
        terminal.hang_up()
