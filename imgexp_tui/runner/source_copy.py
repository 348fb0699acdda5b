"""Copies the lab's source into a run at launch, so that later edits do not change what a queued run executes.

Python files, shell scripts and small configuration files are copied. Everything else in their folders, mostly data, is
linked, so that relative paths from a copied script still work. The working directory stays the lab, so scripts write
their files where they did before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imgexp_tui.paths import NOTEBOOK, RUNS
from imgexp_tui.records.rundir import RunDir

SOURCE_FOLDER = "source"
_CODE_SUFFIXES = (".py", ".pyi", ".sh")
_CONFIG_SUFFIXES = (".toml", ".yaml", ".yml", ".json", ".cfg", ".ini")
_CONFIG_SIZE_LIMIT = 256 << 10
"""Bytes up to which a configuration file is copied; more is data."""
_FOLDER_LIMIT, _SCAN_LIMIT = 2_000, 20_000
"""The most entries scanned in one folder, and in all; folders beyond these limits count as data and are linked."""
_SKIPPED_NAMES = (RUNS, "__pycache__", "node_modules", "site-packages", "build", "dist")


def copy_source(lab: Path, run: RunDir) -> int:
    """Copies the lab's source into `run`; returns the number of copied files. With 0, no folder is made.

    Raises:
        OSError: a file cannot be read or written.
    """
    plan = _CopyPlan(lab)
    folders = plan.plan_folder(lab)
    if folders is None:
        return 0
    target = run.path / SOURCE_FOLDER
    for folder, files, links in folders:
        at = target / folder.relative_to(lab)
        at.mkdir(parents=True, mode=0o700, exist_ok=True)
        for file in files:
            shutil.copy2(file, at / file.name)
        for link in links:
            (at / link.name).symlink_to(link)
    return sum(len(files) for _, files, _ in folders)


_FolderPlan = tuple[Path, list[Path], list[Path]]


class _CopyPlan:
    """Plans which files of the lab are copied and which are linked."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab
        self._entries_left = _SCAN_LIMIT

    def plan_folder(self, folder: Path) -> list[_FolderPlan] | None:
        """Returns `folder` and subfolders with source, with files to copy and link; None without source."""
        entries = self._list_entries(folder)
        if entries is None:
            return None
        files, links, below = [], [], list[_FolderPlan]()
        for entry in entries:
            path = Path(entry.path)
            if path == self._lab / NOTEBOOK:
                continue
            if entry.is_dir(follow_symlinks=False):
                inner = self.plan_folder(path)
                if inner is None:
                    links.append(path)
                else:
                    below += inner
            elif _is_source(entry):
                files.append(path)
            else:
                links.append(path)
        if not any(f.suffix in _CODE_SUFFIXES for f in files) and not below:
            return None
        return [(folder, files, links), *below]

    def _list_entries(self, folder: Path) -> list[os.DirEntry[str]] | None:
        """Returns a folder's entries without hidden and generated ones; None if there are too many for source."""
        listed: list[os.DirEntry[str]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries_left -= 1
                if self._entries_left < 0 or len(listed) >= _FOLDER_LIMIT or entry.name == "pyvenv.cfg":
                    return None
                if not entry.name.startswith(".") and entry.name not in _SKIPPED_NAMES:
                    listed.append(entry)
        return sorted(listed, key=lambda e: e.name)


def _is_source(entry: os.DirEntry[str]) -> bool:
    suffix = Path(entry.name).suffix
    if not entry.is_file():
        return False
    return suffix in _CODE_SUFFIXES or (suffix in _CONFIG_SUFFIXES and entry.stat().st_size <= _CONFIG_SIZE_LIMIT)


def command_with_copies(command: Sequence[str], lab: Path, source: Path) -> list[str]:
    """Returns a command line with the lab's files replaced by their copies."""
    return [os.fspath(copy) if (copy := _copy_of(word, lab, source)) and copy.is_file() else word for word in command]


def source_environment(command: Sequence[str], environ: Mapping[str, str], lab: Path, source: Path) -> dict[str, str]:
    """Returns variables that make Python import the copies of the script's folder, the lab, and PYTHONPATH's folders.

    PYTHONSAFEPATH keeps Python from looking in the working directory first (`python -m module`).
    """
    theirs = [p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    path = dict.fromkeys(
        [*_script_folders(command, source), os.fspath(source), *_with_copied_folders(theirs, lab, source)]
    )
    return {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def _script_folders(command: Sequence[str], source: Path) -> Iterator[str]:
    for word in command:
        if word.endswith(".py") and Path(word).is_relative_to(source):
            yield os.fspath(Path(word).parent)


def _with_copied_folders(python_path: Sequence[str], lab: Path, source: Path) -> Iterator[str]:
    for word in python_path:
        if (copy := _copy_of(word, lab, source)) and copy.is_dir() and not copy.is_symlink():
            yield os.fspath(copy)
        yield word


def _copy_of(path_text: str, lab: Path, source: Path) -> Path | None:
    """Returns the path that the copy of a file or folder of the lab has; None for paths outside the lab."""
    path = Path(os.path.normpath(lab / path_text))
    return source / path.relative_to(lab) if path_text and path.is_relative_to(lab) else None
