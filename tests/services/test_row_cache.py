"""Rows of versions that have ended are told again without reading their runs, and never where anything has happened."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from imgexp_tui.paths import lab_cache
from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.tui import lab_runs
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.kept_rows import KeptRows
from imgexp_tui.tui.lab_runs import LabRuns
from imgexp_tui.tui.looks import Row
from imgexp_tui.tui.screens.main import MainScreen
from tests.conftest import NewLab
from tests.helpers import screen_text
from tests.support.recorded_runs import a_run

NAMES = ["v0", "v1", "v2", "v3"]


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    """v0 to v2 have ended, v3 never ran."""
    lab = new_lab("".join(f"[versions.{name}]\n" for name in NAMES))
    for name, loss in zip(NAMES, (0.5, 0.4, 0.3), strict=False):
        a_run(lab, name, "20260101-000000-aaaaaa", [loss, loss + 0.1])
    return lab


def looked(lab: Path) -> LabRuns:
    runs = LabRuns(lab)
    while not runs.look(NAMES, "v0"):
        pass
    return runs


def later(path: Path) -> None:
    """A time of change that is another one, also on file systems that count in seconds."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 2_000_000_000))


def test_the_next_opening_reads_only_the_shown_version(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = looked(lab)
    read: list[str] = []
    plain = lab_runs.QuickView
    monkeypatch.setattr(lab_runs, "QuickView", lambda run: read.append(run.version) or plain(run))
    second = looked(lab)
    assert second.rows == first.rows
    assert second.rows["v1"].best == 0.4
    assert second.rows["v3"] == Row()
    assert read == ["v0"]
    assert second.look_at("v1")
    shown = second.shown("v1")
    assert shown and shown.curves
    assert read == ["v0", "v1"]


def test_what_has_happened_since_is_read(lab: Path) -> None:
    looked(lab)
    kept = KeptRows(lab)
    assert set(kept.rows(NAMES)) == set(NAMES)
    a_run(lab, "v1", "20260202-000000-bbbbbb", [0.2])
    later(lab / "runs" / "v1")
    resumed = RunDir(lab / "runs" / "v2" / "20260101-000000-aaaaaa")
    Process("u", 2, None, None, 1.0).write(resumed)
    later(resumed.process)
    a_run(lab, "v3", "20260101-000000-cccccc", [0.1])
    assert list(KeptRows(lab).rows(NAMES)) == ["v0"]
    rows = looked(lab).rows
    assert (rows["v1"].runs, rows["v1"].best) == (2, 0.2)
    assert rows["v3"].best == 0.1


def test_what_may_still_change_is_not_kept(lab: Path) -> None:
    a_run(lab, "v1", "20260202-000000-bbbbbb", [0.2], ended=False)
    a_run(lab, "v2", "20260202-000000-bbbbbb", [math.nan, math.inf])
    looked(lab)
    assert list(KeptRows(lab).rows(NAMES)) == ["v0", "v3"]


def test_a_version_that_is_gone_is_forgotten(lab: Path) -> None:
    looked(lab)
    runs = LabRuns(lab)
    while not runs.look(["v1"], "v1"):
        pass
    assert list(runs.rows) == ["v1"]
    a_run(lab, "v1", "20260303-000000-dddddd", [0.9])
    later(lab / "runs" / "v1")
    again = LabRuns(lab)
    while not again.look(["v1"], "v1"):
        pass
    assert len(KeptRows(lab)) == 1


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"format": 9}', b'{"format": 1, "rows": {"v0": [[1], [2]]}}'])
def test_a_damaged_file_is_as_if_it_were_not_there(lab: Path, damage: bytes) -> None:
    first = looked(lab)
    (lab_cache(lab) / "rows.json").write_bytes(damage)
    assert KeptRows(lab).rows(NAMES) == {}
    assert looked(lab).rows == first.rows


async def test_the_first_frame_has_the_rows(lab: Path) -> None:
    looked(lab)
    screen = MainScreen(lab)
    assert screen._look.rows["v2"].best == 0.3
    async with LabApp(lab).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "0.5000" in screen_text(pilot)
