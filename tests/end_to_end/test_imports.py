"""What a process loads: the app and the commands start without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "timm", "torchmetrics", "numpy", "matplotlib", "submitit"}


def _loaded(code: str, folder: Path) -> set[str]:
    """The top-level modules that are loaded after `code`."""
    code += "\nimport sys; print('\\n'.join({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "imgexp_tui.tui.app",
        "imgexp_tui.tui.screens.main.screen",
        "imgexp_tui.runner.launch",
        "imgexp_tui.runner.supervise",
    ],
)
def test_app_and_runner_load_nothing_heavy(module: str, tmp_path: Path) -> None:
    assert not _loaded(f"import {module}", tmp_path) & HEAVY


@pytest.mark.parametrize("module", ["imgexp_tui.tui.app", "imgexp_tui.runner.control", "imgexp_tui.runner.supervise"])
def test_the_room_of_a_cluster_is_loaded_for_its_own_runs_only(module: str, tmp_path: Path) -> None:
    code = f"import {module}, sys; print([m for m in sys.modules if m.startswith('imgexp_tui.runner.launchers.slurm')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


def test_the_supervisor_loads_no_terminal(tmp_path: Path) -> None:
    assert not _loaded("import imgexp_tui.runner.supervise", tmp_path) & {"textual", "rich"}


def test_list_loads_no_torch_and_no_textual(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text("[versions.v0]\n")
    loaded = _loaded("from imgexp_tui.cli import main; assert main(['list', '--json']) == 0", tmp_path)
    assert not loaded & (HEAVY | {"textual", "rich", "tomlkit", "psutil", "pynvml"})
