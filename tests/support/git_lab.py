"""A lab in a git repository of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from imgexp_tui.paths import NOTEBOOK

TEXT = """\
[versions.v0]
takeaways = '''
-first
'''
[versions.v0.train]
batch_size = 64
"""


def git(lab: Path, *words: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_DIR")}
    return subprocess.run(["git", *words], cwd=lab, check=True, capture_output=True, text=True, env=clean).stdout


def with_git(lab: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab, made a repository, with an identity of its own in the file `config`."""
    config.write_text("[user]\nname = A\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(lab, "init", "-q")
    return lab


def committed(lab: Path) -> Path:
    git(lab, "add", NOTEBOOK)
    git(lab, "commit", "-qm", "start")
    return lab


def change(lab: Path, old: str = "-first", new: str = "-first\n-second") -> None:
    path = lab / NOTEBOOK
    path.write_text(path.read_text().replace(old, new))
