"""Names the files of a run directory, and finds and creates run directories.

The directory is `runs/<version>/<run id>/`; app, supervisor and trainer communicate only through files in it.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.notebook.model import VERSION_NAME as VERSION_NAME
from imgexp_tui.paths import RUNS

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder. The properties are paths; they neither read nor create anything."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def version(self) -> str:
        return self.path.parent.name

    @property
    def request(self) -> Path:
        return self.path / "request.json"

    @property
    def process(self) -> Path:
        return self.path / "process.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def system(self) -> Path:
        return self.path / "system.jsonl"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "output.log"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        return self.path / "answers"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"

    @property
    def cache(self) -> Path:
        return self.path / "cache"


def create_run_dir(lab: Path, version: str) -> RunDir:
    """Create a new, empty run folder; it and its parents, up to `runs`, are for their owner only (mode 0700).

    Ids sort by time: date, time of day, 4096ths of the second, and three random digits against collisions.
    """
    parent = lab / RUNS / version
    for folder in (parent.parent, parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        now = time.time()
        moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        path = parent / f"{moment}-{int(now % 1 * 4096):03x}{secrets.randbelow(4096):03x}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunDir(path)


def find_runs(lab: Path, version: str | None = None) -> list[RunDir]:
    """The runs of a lab or of one version, newest first. A folder without `request.json` is not a run."""
    runs = [
        RunDir(Path(p))
        for v in _version_folders(lab, version)
        for p in _subfolders(v)
        if RUN_ID.fullmatch(Path(p).name)
    ]
    return sorted((r for r in runs if r.request.exists()), key=lambda r: (r.run_id, r.version), reverse=True)


def _version_folders(lab: Path, version: str | None) -> Iterator[str]:
    root = lab / RUNS
    if version is not None:
        yield os.fspath(root / version)
    else:
        yield from (p for p in _subfolders(os.fspath(root)) if VERSION_NAME.fullmatch(Path(p).name))


def _subfolders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [e.path for e in entries if e.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
