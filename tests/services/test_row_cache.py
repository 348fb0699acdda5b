"""Rows of versions that have ended are told again without reading their runs, and never where anything has happened."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from imgexp_tui.paths import lab_cache
from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.services import run_followers
from imgexp_tui.services.row_cache import RowCache
from imgexp_tui.services.run_index import RunIndex
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.views.lab import VersionRow
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


def looked(lab: Path) -> RunIndex:
    runs = RunIndex(lab)
    while not runs.poll(NAMES, "v0"):
        pass
    return runs


def later(path: Path) -> None:
    """A time of change that is another one, also on file systems that count in seconds."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 2_000_000_000))


def test_the_next_opening_reads_only_the_shown_version(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = looked(lab).rows
    read: list[str] = []
    plain = run_followers.FastFollower
    monkeypatch.setattr(run_followers, "FastFollower", lambda run: read.append(run.version) or plain(run))
    second = looked(lab)
    assert second.rows == first
    assert second.rows["v1"].best == 0.4
    assert second.rows["v3"] == VersionRow()
    assert read == ["v0"]
    assert second.poll_version("v1")
    shown = second.displayed_run("v1")
    assert shown and shown.curves
    assert read == ["v0", "v1"]


def test_what_has_happened_since_is_read(lab: Path) -> None:
    looked(lab)
    kept = RowCache(lab)
    assert set(kept.get_many(NAMES)) == set(NAMES)
    a_run(lab, "v1", "20260202-000000-bbbbbb", [0.2])
    later(lab / "runs" / "v1")
    resumed = RunDir(lab / "runs" / "v2" / "20260101-000000-aaaaaa")
    Process("u", 2, None, None, 1.0).write(resumed)
    later(resumed.process)
    a_run(lab, "v3", "20260101-000000-cccccc", [0.1])
    assert list(RowCache(lab).get_many(NAMES)) == ["v0"]
    rows = looked(lab).rows
    assert (rows["v1"].runs, rows["v1"].best) == (2, 0.2)
    assert rows["v3"].best == 0.1


def test_what_may_still_change_is_not_kept(lab: Path) -> None:
    a_run(lab, "v1", "20260202-000000-bbbbbb", [0.2], ended=False)
    a_run(lab, "v2", "20260202-000000-bbbbbb", [math.nan, math.inf])
    looked(lab)
    assert list(RowCache(lab).get_many(NAMES)) == ["v0", "v3"]


def test_a_version_that_is_gone_is_forgotten(lab: Path) -> None:
    looked(lab)
    runs = RunIndex(lab)
    while not runs.poll(["v1"], "v1"):
        pass
    assert list(runs.rows) == ["v1"]
    a_run(lab, "v1", "20260303-000000-dddddd", [0.9])
    later(lab / "runs" / "v1")
    again = RunIndex(lab)
    while not again.poll(["v1"], "v1"):
        pass
    assert len(RowCache(lab)) == 1


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"format": 9}', b'{"format": 1, "rows": {"v0": [[1], [2]]}}'])
def test_a_damaged_file_is_as_if_it_were_not_there(lab: Path, damage: bytes) -> None:
    first = looked(lab)
    (lab_cache(lab) / "rows.json").write_bytes(damage)
    assert RowCache(lab).get_many(NAMES) == {}
    assert looked(lab).rows == first.rows


async def test_the_first_frame_has_the_rows(lab: Path) -> None:
    looked(lab)
    screen = MainScreen(lab)
    assert screen._snapshot.rows["v2"].best == 0.3
    async with LabApp(lab).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "0.5000" in screen_text(pilot)
