"""Compares the code of two runs: the sources that were copied for them, or else their commits."""

from __future__ import annotations

import difflib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.text import clean

_MAX_BYTES = 1 << 20
"""Larger files are not compared, and git's output is cut here. In bytes."""
_GIT_TIMEOUT = 20.0
"""Seconds."""


def code_diff(a: RunFollower, b: RunFollower) -> list[str]:
    """Returns a unified diff as cleaned lines: a title, then the diff, or one sentence where there is none."""
    lines = [_title_line(a, b), *_diff_sources(a, b)]
    if len(lines) == 1:
        lines += _diff_commits(a, b)
    if len(lines) == 1:
        lines.append("No difference is known.")
    return [clean(line.expandtabs(4)).rstrip() for line in lines]


def _title_line(a: RunFollower, b: RunFollower) -> str:
    return f"{a.version} ({a.run_id}, {_describe_commit(a)}) → {b.version} ({b.run_id}, {_describe_commit(b)})"


def _describe_commit(follower: RunFollower) -> str:
    git = follower.request.git if follower.request else {}
    sha = str(git.get("sha", ""))[:9]
    return (f"commit {sha}" + (" and changes" if git.get("dirty") else "")) if sha else "no repository"


def _diff_sources(a: RunFollower, b: RunFollower) -> Iterator[str]:
    """Yields the diff of the sources that were copied into the runs at submission; nothing where either has none."""
    before, after = _source_files(a), _source_files(b)
    if before is None or after is None:
        return
    for name in sorted({*before, *after}):
        old, new = (_read_lines(files[name]) if name in files else [] for files in (before, after))
        yield from difflib.unified_diff(old, new, f"{a.version}/{name}", f"{b.version}/{name}", lineterm="")


def _source_files(follower: RunFollower) -> dict[str, Path] | None:
    """Returns relative path → copied file of a run; None without copies. Symbolic links are data and are left out."""
    name = follower.request.source if follower.request else ""
    folder = follower.run_dir.path / name
    if not name or not folder.is_dir():
        return None
    paths = {}
    for at, _, files in os.walk(folder):
        for file in files:
            path = Path(at, file)
            if path.is_file() and not path.is_symlink():
                paths[str(path.relative_to(folder))] = path
    return paths


def _read_lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return ["(too large to compare)"]
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        return [f"(cannot be read: {error.strerror})"]


def _diff_commits(a: RunFollower, b: RunFollower) -> Iterator[str]:
    """Yields the diff of the two commits, then the diff of the changes that were not committed."""
    gits = [view.request.git if view.request else {} for view in (a, b)]
    before, after = (str(git.get("sha", "")) for git in gits)
    if before and after and before != after and a.request:
        yield from _git_diff(Path(a.request.lab), before, after)
    old, new = (str(git.get("diff", "")).splitlines() for git in gits)
    if old != new:
        names = (f"not committed in {a.version}", f"not committed in {b.version}")
        yield from difflib.unified_diff(old, new, *names, lineterm="")


def _git_diff(lab: Path, before: str, after: str) -> Iterator[str]:
    words = ["git", "-C", os.fspath(lab), "diff", "--no-color", "--no-ext-diff", "--no-textconv", before, after, "--"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"git could not compare {before[:9]} and {after[:9]}: {error}"
        return
    if done.returncode:
        yield f"git could not compare {before[:9]} and {after[:9]}: {done.stderr.decode('utf-8', 'replace').strip()}"
        return
    yield from done.stdout[:_MAX_BYTES].decode("utf-8", "replace").splitlines()
    if len(done.stdout) > _MAX_BYTES:
        yield f"(cut: the difference has {len(done.stdout):,} bytes)"
