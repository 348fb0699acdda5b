"""The table says how old notes are as time goes by, also where nothing happens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.widgets.main import version_table
from imgexp_tui.tui.widgets.main.version_table import VersionTable
from imgexp_tui.views.styled import plain_text


async def test_notes_grow_older_in_a_still_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiments.toml").write_text("[versions.v0]\ntakeaways = 'learns'\n")
    app = LabApp(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one(VersionTable)
        while not plain_text(table.lines[0]).endswith("now"):
            await pilot.pause(0.02)
        hours_later = time.time() + 3 * 3600
        monkeypatch.setattr(version_table.time, "time", lambda: hours_later)
        while not plain_text(table.lines[0]).endswith("3h"):
            await pilot.pause(0.05)
