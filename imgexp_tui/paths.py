"""Paths of files and folders: those of a lab, and this user's state and cache folders (XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path

NOTEBOOK = "experiments.toml"
RUNS = "runs"


def find_lab(start: Path) -> Path:
    """Returns the nearest folder at or above `start` with an `experiments.toml`; `start` itself where none has one."""
    start = start.absolute()
    return next((d for d in (start, *start.parents) if (d / NOTEBOOK).is_file()), start)


def _xdg_folder(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification says that relative paths must be ignored.
    return (Path(value) if value.startswith("/") else Path.home() / fallback) / "imgexp-tui"


def state_home() -> Path:
    """Returns this user's state folder, for drafts and the like; outside the lab, in case the lab's disk is full."""
    return _xdg_folder("XDG_STATE_HOME", ".local/state")


def cache_home() -> Path:
    """Returns this user's folder of disposable data: generated and downloaded data sets, decoded images."""
    return _xdg_folder("XDG_CACHE_HOME", ".cache")


def lab_state(lab: Path) -> Path:
    """Returns the state folder of one lab."""
    return state_home() / "labs" / _lab_folder_name(lab)


def lab_cache(lab: Path) -> Path:
    """Returns the folder of one lab's disposable data."""
    return cache_home() / "labs" / _lab_folder_name(lab)


def _lab_folder_name(lab: Path) -> str:
    """Returns the lab's name with a hash of its real path."""
    import hashlib  # here, because the first frame does not need it

    real = os.fspath(lab.resolve())
    return f"{Path(real).name or 'root'}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}"


def rename_mark(lab: Path) -> Path:
    """Returns the file that marks a rename of a version that is in progress or was interrupted."""
    return lab / ".imgexp" / "renaming.json"


def modified_ns(path: str | Path) -> int:
    """Returns when a file or folder was last modified, in nanoseconds; 0 if it cannot be read."""
    try:
        # Faster than Path.stat; the app calls this for thousands of runs when it starts.
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0
