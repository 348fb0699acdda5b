"""What every test gets: state and cache folders of its own, and one thread for the trainer."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from imgexp_tui.records.rundir import find_runs
from imgexp_tui.records.state import status
from imgexp_tui.runner.control import ControlError, stop, wait
from tests import data
from tests.support import tools

ROOT = Path(__file__).resolve().parent.parent

os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test whose marker names a tool that is not installed is skipped, and says so."""
    absent = {name: why for name in tools.NAMES if (why := tools.missing(name))}
    for item in items:
        for name in dict.fromkeys(mark.name for mark in item.iter_markers() if mark.name in absent):
            item.add_marker(pytest.mark.skip(reason=absent[name]))


def stop_all(lab: Path) -> None:
    """Leave no run of a lab behind, also where its test failed."""
    for run in find_runs(lab):
        if status(run).state.live:
            with contextlib.suppress(ControlError):
                stop(run)
            wait(run)


@pytest.fixture(autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own state or cache is read or written; the cache is kept for the session,
    because generating the shapes takes seconds."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def notes_file() -> Path:
    return data.NOTES


@pytest.fixture
def images_zip() -> Path:
    return data.IMAGES
