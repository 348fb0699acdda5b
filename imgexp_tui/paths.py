"""Where things lie: the lab's own files, and this user's state and cache folders (XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path

NOTEBOOK = "experiments.toml"
RUNS = "runs"


def find_lab(start: Path) -> Path:
    """The folder at or above `start` that holds `experiments.toml`; `start` itself where none does."""
    start = start.absolute()
    return next((d for d in (start, *start.parents) if (d / NOTEBOOK).is_file()), start)


def _xdg_folder(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification says that a relative path is to be ignored.
    return (Path(value) if value.startswith("/") else Path.home() / fallback) / "imgexp-tui"


def state_home() -> Path:
    """This user's state: drafts of notes. Outside the lab, so that a full lab disk does not take them."""
    return _xdg_folder("XDG_STATE_HOME", ".local/state")


def cache_home() -> Path:
    """This user's disposable data: generated and downloaded data sets, decoded images."""
    return _xdg_folder("XDG_CACHE_HOME", ".cache")


def lab_state(lab: Path) -> Path:
    """The state folder of one lab."""
    return state_home() / "labs" / _lab_folder_name(lab)


def lab_cache(lab: Path) -> Path:
    """The folder of what is disposable of one lab."""
    return cache_home() / "labs" / _lab_folder_name(lab)


def _lab_folder_name(lab: Path) -> str:
    """A readable name, and a hash of its real path."""
    import hashlib  # late: the first frame does without

    real = os.fspath(lab.resolve())
    return f"{Path(real).name or 'root'}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}"


def rename_mark(lab: Path) -> Path:
    """The mark of a version's rename that is under way, or was cut off."""
    return lab / ".imgexp" / "renaming.json"
