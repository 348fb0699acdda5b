"""The run's pane and the table as lines: what stands in them, and that nothing moves while a run begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs.model import ProgressItem, RunSummary
from imgexp_tui.views.runs.panel import run_lines
from imgexp_tui.views.runs.version_table import fit_columns
from imgexp_tui.views.styled import line_width, plain_text

RUN = RunSummary(
    version="v0",
    run="20260101-000000-aaaaaa",
    state="running",
    live=True,
    resumable=False,
    evidence="pid 7",
    attempt=1,
    epoch=3,
    epochs=10,
    step=9,
    progress_items=(ProgressItem("epoch  3/10", 1, 4, "steps", 5.0), ProgressItem("run", 9, 40, "steps", 60.0)),
    curves=(),
    best=None,
    chance={},
    steps_per_epoch=4,
    latest_warning="",
    resource_usage=None,
    measured=(),
)


def lines_of(run: RunSummary, room: int = 78) -> list[str]:
    return [plain_text(found) for found in run_lines(run, room, 20)]


def test_the_bars_name_the_epoch_and_the_step_and_stand_in_columns() -> None:
    _, epoch, whole, *_ = lines_of(RUN)
    assert epoch.startswith("epoch  3/10 ") and "25 %  step 1/4 " in epoch and epoch.endswith("5s left")
    assert whole.startswith("run ") and "step 9/40 " in whole and whole.endswith("1m 00s left")
    assert epoch.index("━") == whole.index("━") and epoch.index("%") == whole.index("%")
    assert len({line_width(found) for found in run_lines(RUN, 78, 20)[1:3]}) == 1


@pytest.mark.parametrize("label", ["making the shapes", "reading train images", "downloading somebody/with-a-name"])
def test_the_name_of_a_long_task_has_the_room_that_it_needs(label: str) -> None:
    _, bar, *_ = lines_of(replace(RUN, progress_items=(ProgressItem(label, 500, 2000, "images", 9.0),)))
    assert bar.startswith(label if len(label) <= 20 else label[:19] + "…")
    assert " 25 %  500/2,000" in bar and len(bar) <= 78


def test_a_warning_that_is_too_long_ends_in_an_ellipsis() -> None:
    run = replace(RUN, latest_warning="no hub of weights is reached " * 5)
    assert lines_of(run)[3].startswith("! no hub") and lines_of(run)[3].endswith("…")
    assert all(line_width(found) <= 78 for found in run_lines(run, 78, 20))


@pytest.mark.parametrize("room", [80, 110, 160])
def test_the_table_keeps_its_columns_while_a_run_begins(room: int) -> None:
    version = parse_notebook("[versions.v0]\n", Path()).versions["v0"]
    stages = (
        VersionRow(),
        VersionRow(state="running", live=1, epoch=1, epochs=10, metric="train/loss", best=0.7119),
        VersionRow(state="running", live=1, epoch=10, epochs=10, metric="valid/loss", best=0.7119, accuracy=0.5),
    )
    layouts = {fit_columns(room, [version], {"v0": row}, frozenset()) for row in stages}
    assert len(layouts) == 1
    shown = plain_text(layouts.pop().version_row(version, stages[1], has_draft=False, is_selected=False))
    assert "train 0.7119" in shown and "1/10" in shown and len(shown) <= room
