"""The programs that only some tests need, and the one sentence with which a test is skipped where one is missing.

A test says what it needs with the marker of the tool's name (`@pytest.mark.tmux`); `conftest` does the rest. Code that
several tests share calls `need`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from tempfile import TemporaryDirectory

import loopback
import pytest

COMPILERS = ("cc", "gcc", "clang")
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
NAMES = ("compiler", "git", "index", "slurm", "sshd", "strace", "tmux")


def compiler() -> str:
    """The C compiler's path; "" where there is none."""
    return next((path for path in map(shutil.which, COMPILERS) if path), "")


def missing(tool: str) -> str:
    """Why a test that needs the tool cannot be run here; "" where it can."""
    if tool == "compiler":
        return "" if compiler() else "no C compiler is installed"
    if tool == "slurm":
        return _no_slurm()
    if tool == "index":
        return _no_index()
    if tool == "sshd":
        return loopback.missing()
    return "" if shutil.which(tool) else f"{tool} is not installed"


def need(tool: str) -> None:
    """Skip the test that runs, where the tool is missing."""
    if why := missing(tool):
        pytest.skip(why)


@cache
def _no_index() -> str:
    """Why pip cannot install here: no `build`, or no package index that answers at once."""
    if find_spec("build") is None:
        return "the package build is not installed"
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0", "--timeout", "5"]
    with TemporaryDirectory() as folder:
        done = subprocess.run([*words, "--dest", folder, "wheel"], capture_output=True)
    return "pip reaches no package index" if done.returncode else ""


def _no_slurm() -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if absent := [name for name in SLURM if shutil.which(name, path=path) is None]:
        return f"not installed: {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "Slurm's daemons want to be root"
