"""What every test gets: state and cache folders of its own, one thread for the trainer, labs, the files of `data`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from imgexp_tui.paths import NOTEBOOK
from tests import data
from tests.helpers import stop_all
from tests.support import tools
from tests.support.git_lab import TEXT, with_git

os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test whose marker names a tool that is not installed is skipped, and says so."""
    absent = {name: why for name in tools.NAMES if (why := tools.missing(name))}
    for item in items:
        for name in dict.fromkeys(mark.name for mark in item.iter_markers() if mark.name in absent):
            item.add_marker(pytest.mark.skip(reason=absent[name]))


@pytest.fixture(autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own state or cache is read or written; the cache is kept for the session,
    because generating the shapes takes seconds."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


class NewLab(Protocol):
    def __call__(self, notebook: str, folder: str = "", *, runs: bool = False) -> Path: ...


@pytest.fixture
def new_lab(tmp_path: Path) -> Iterator[NewLab]:
    """Makes a lab with that notebook, in a folder of the test's own (`tmp_path`, or one below it).

    With `runs`, the test starts some, and those that are left when it ends are stopped. Runs that are only made up must
    not be: the process that they name as theirs may be the test's.
    """
    live: list[Path] = []

    def make(notebook: str, folder: str = "", *, runs: bool = False) -> Path:
        lab = tmp_path / folder
        lab.mkdir(exist_ok=True)
        (lab / NOTEBOOK).write_text(notebook)
        if runs:
            live.append(lab)
        return lab

    yield make
    for lab in live:
        stop_all(lab)


@pytest.fixture
def lab(request: pytest.FixtureRequest, new_lab: NewLab) -> Path:
    """A lab with the notebook that the test's module states as NOTEBOOK."""
    return new_lab(request.module.NOTEBOOK)


@pytest.fixture
def git_lab(new_lab: NewLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab in a fresh repository."""
    return with_git(new_lab(TEXT, "lab"), tmp_path / "gitconfig", monkeypatch)


@pytest.fixture
def notes_file() -> Path:
    return data.NOTES


@pytest.fixture
def images_zip() -> Path:
    return data.IMAGES
