"""Drafts survive, in the state folder, until they are dropped."""

from __future__ import annotations

import stat
from pathlib import Path

from imgexp_tui import paths
from imgexp_tui.notebook.history.drafts import Draft, delete_draft, read_drafts, write_draft


def test_drafts_come_back_as_they_were_written(tmp_path: Path) -> None:
    first = Draft("v0", "takeaways", "-a \ud83d\r\n\0", "-", 2.0)
    second = Draft("v0", "summary", "text", "", 1.0)
    write_draft(tmp_path, Draft("v0", "takeaways", "older", "-", 0.5))
    write_draft(tmp_path, first)
    write_draft(tmp_path, second)
    assert read_drafts(tmp_path) == [second, first]
    assert read_drafts(tmp_path / "other") == []
    delete_draft(tmp_path, "v0", "summary")
    delete_draft(tmp_path, "v0", "summary")
    assert read_drafts(tmp_path) == [first]
    assert list(tmp_path.iterdir()) == []


def test_drafts_are_private_and_what_is_no_draft_is_passed_over(tmp_path: Path) -> None:
    write_draft(tmp_path, Draft("v0", "summary", "x", "", 1.0))
    folder = paths.lab_state(tmp_path) / "drafts"
    (folder / "torn.json").write_text('{"version": "v0", "fie')
    (folder / "odd.json").write_text("[]")
    assert len(read_drafts(tmp_path)) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.glob("????????????????????????.json")} == {0o600}
