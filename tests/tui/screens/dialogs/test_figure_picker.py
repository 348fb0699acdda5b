"""Figures and curves of a run beside the note: what is put in reads as people write it, and is of the moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from imgexp_tui.services.run_follower import VersionRunFollower
from imgexp_tui.tui.screens.dialogs.figure_picker import FigureList, FigurePickerScreen
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.run_sidebar import RunSidebar
from imgexp_tui.views.notes.quotable_figures import filter_figures, quotable_figures
from imgexp_tui.views.runs.sidebar import sidebar_lines, two_line_summary
from imgexp_tui.views.styled import line_width, plain_text
from tests.helpers import until, write_lines
from tests.support.editor_app import EditorApp, opened
from tests.support.recorded_runs import PLAN, a_run

NOTEBOOK = """\
[versions.v0]
takeaways = "-"
[versions.v0.train]
batch_size = 64
epochs = 2

[versions.v1]
base = "v0"
summary = "bigger"
[versions.v1.train]
batch_size = 512
epochs = 4
"""
MEGA = 1024 * 1024
SYSTEM = [
    {
        "time": 1.0,
        "gpu0/tree_memory": 1985 * MEGA,
        "gpu0/memory_total": 8126 * MEGA,
        "tree/memory": 2425 * MEGA,
        "host/memory_total": 30147 * MEGA,
    }
]


def a_measured_run(lab: Path, version: str = "v0", losses: tuple[float, ...] = (0.5, 0.25, 0.3)) -> Path:
    view = a_run(lab, version, "20240102-030405-abcdef", losses, events=[PLAN])
    write_lines(view.run_dir.system, SYSTEM)
    write_lines(
        view.run_dir.metrics,
        [{"step": 6, "epoch": 3, "time": 9.0, "time/epoch_train": 70.0, "time/epoch_valid": 9.0,
         "learning_rate/encoder": 1e-5, "learning_rate/head": 1e-4, "valid/loss": losses[-1], "odd\x1b[31m": 1.5}],
    )  # fmt: skip
    return view.run_dir.metrics


def texts(lab: Path, version: str = "v0", *against: object) -> list[str]:
    return [text for _, text in VersionRunFollower(lab, version).quotable_figures(*against)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "best valid loss 0.2500 (epoch 2)",
        "best valid accuracy 75.0 % (epoch 2)",
        "valid accuracy 75.0 % at the best valid loss (epoch 2)",
        "best train loss 0.5000 (step 1)",
        "valid loss 0.3000 (epoch 3)",
        "GPU Memory Usage: 1,985/8,126 MB",
        "CPU Memory: 2,425/30,147 MB (peak)",
        "Epoch time (train): ~70 s",
        "Epoch time (valid): ~9 s",
        "3 of 2 epochs (6 steps)",
        "learning rate 1e-5 (encoder) and 1e-4 (head)",
        "duration 8s",
        "seed 7",
        "odd 1.5000 (epoch 3)",
    ],
)
def test_a_figure_reads_as_people_write_it(lab: Path, text: str) -> None:
    a_measured_run(lab)
    assert text in texts(lab)


def test_what_was_not_measured_is_not_offered(lab: Path) -> None:
    a_run(lab, "v0", "20240102-030405-abcdef", [float("nan")])
    assert not any(("best" in text and "valid" in text) or "Memory" in text or "rate" in text for text in texts(lab))
    assert "valid loss nan (step 2)" not in texts(lab), "an epoch's end is told by its epoch"
    assert "valid loss nan (epoch 1)" in texts(lab)


def test_changes_against_the_base_are_offered_with_and_without_a_run(lab: Path) -> None:
    against = ("v0", ("batch_size 64 → 512", "epochs 2 → 4"))
    assert quotable_figures(None, *against) == [
        ("vs v0", "batch_size 64 → 512, epochs 2 → 4 (against v0)"),
        ("vs v0", "batch_size 64 → 512"),
        ("vs v0", "epochs 2 → 4"),
    ]
    a_measured_run(lab, "v1")
    assert "batch_size 64 → 512" in texts(lab, "v1", *against)


def test_every_word_that_is_typed_has_to_occur() -> None:
    found = [("best", "best valid loss 0.2"), ("now", "valid loss 0.3"), ("finding", "Overfits from epoch 5")]
    assert filter_figures(found, "LOSS best") == found[:1]
    assert filter_figures(found, "") == found
    assert filter_figures(found, "finding epoch") == found[2:]


async def chooser(pilot: Pilot[None], app: EditorApp) -> FigureList:
    await pilot.press("ctrl+g")
    await until(pilot, lambda: isinstance(app.screen, FigurePickerScreen) and bool(rows(app).items), "the figures")
    return rows(app)


def rows(app: EditorApp) -> FigureList:
    return app.screen.query_one(FigureList)


async def test_a_figure_is_put_in_at_the_cursor_and_undone_in_one_step(lab: Path) -> None:
    a_measured_run(lab)
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await pilot.press(*"now", "left", "left", "left")
        await chooser(pilot, app)
        await pilot.press(*"epoch", "space", *"best", "space", *"loss", "enter")
        await until(pilot, lambda: app.screen is app.editor, "the editor")
        assert app.area.text == "-best valid loss 0.2500 (epoch 2) now"
        await pilot.press("exclamation_mark")
        assert app.area.text == "-best valid loss 0.2500 (epoch 2)! now", "one goes on writing behind it"
        await pilot.press("ctrl+z", "ctrl+z")
        assert app.area.text == "-now"


async def test_figures_are_those_of_the_moment(lab: Path) -> None:
    metrics = a_measured_run(lab)
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        found = await chooser(pilot, app)
        assert found.items[0][1] == "best valid loss 0.2500 (epoch 2)"
        (metrics.parent / "exit.json").unlink()  # it goes on
        (metrics.parent / "process.json").unlink()
        write_lines(metrics, [{"step": 8, "epoch": 4, "time": 11.0, "valid/loss": 0.125}])
        await until(pilot, lambda: found.items[0][1] == "best valid loss 0.1250 (epoch 4)", "the new value")
        await pilot.press("enter")
        await until(pilot, lambda: "0.1250" in app.area.text, "the new value in the note")


async def test_choosing_nothing_changes_nothing(lab: Path) -> None:
    a_measured_run(lab)
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        before = app.area.text
        await chooser(pilot, app)
        await pilot.press(*"xyzzy")
        await until(pilot, lambda: not rows(app).items, "the filter")
        await pilot.press("enter", "down")
        assert isinstance(app.screen, FigurePickerScreen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.editor, "the editor")
        assert app.area.text == before


async def test_a_version_without_a_run_offers_its_changes(lab: Path) -> None:
    app = EditorApp(lab, "v1", "summary")
    async with app.run_test() as pilot:
        await opened(pilot, app)
        await chooser(pilot, app)
        await pilot.press(*"batch", "down", "enter")
        await until(pilot, lambda: app.screen is app.editor, "the editor")
        assert app.area.text == "bigger batch_size 64 → 512"


# Beside the text


async def test_the_run_stands_beside_the_text_and_follows(lab: Path) -> None:
    view = a_run(lab, "v0", "20240102-030405-abcdef", [0.5, 0.4], ended=False, events=[PLAN])
    app = EditorApp(lab)
    async with app.run_test(size=(140, 40)) as pilot:
        await until(pilot, lambda: "0.4000" in app.shown("#glance"), "the loss")
        write_lines(view.run_dir.metrics, [{"step": 6, "epoch": 3, "time": 2, "valid/loss": "nan"}])
        await until(pilot, lambda: "valid loss  nan  best 0.4000 (epoch 2)" in app.shown("#glance"), "the next loss")
        assert "epoch 3/2" in app.shown("#glance")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "best 0.4000 (epoch 2)" in app.shown("#glance-line"), "the narrow lines")
        assert not app.editor.query_one("#glance").display


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (110, 30), (200, 50)])
async def test_all_notes_and_the_run_are_in_one_screen(lab: Path, columns: int, rows: int) -> None:
    a_measured_run(lab)
    app = EditorApp(lab)
    async with app.run_test(size=(columns, rows)) as pilot:
        await opened(pilot, app)
        beside = "#glance" if columns >= 110 else "#glance-line"
        await until(pilot, lambda: "valid loss" in app.shown(beside), "the curves")
        for area in app.editor.query(NoteArea):
            assert app.editor.region.contains_region(area.region) and area.size.height >= 1
        assert "GPU Memory Usage: 1,985/8,126 MB" in app.shown(beside)
        pane = app.editor.query_one(beside, RunSidebar)
        assert len(pane.lines) <= pane.size.height, "nothing is cut off"


@pytest.mark.parametrize("room", [34, 40, 60, 76, 200])
@pytest.mark.parametrize("height", [8, 20, 46])
def test_lines_fit_their_room(lab: Path, room: int, height: int) -> None:
    a_measured_run(lab)
    run = VersionRunFollower(lab, "v0").poll()
    assert all(
        line_width(row) <= room for row in [*sidebar_lines("v0", run, room, height), *two_line_summary(run, room)]
    )
    assert len(two_line_summary(run, room)) == 2
    curves = [plain_text(row) for row in sidebar_lines("v0", run, room, height)]
    assert any("⠉" <= c <= "⣿" for row in curves for c in row)


def test_each_curve_is_drawn_in_one_style(lab: Path) -> None:
    """One colour a sparkline: anything more is expensive over SSH."""
    a_measured_run(lab)
    run = VersionRunFollower(lab, "v0").poll()
    for row in sidebar_lines("v0", run, 60, 40):
        roles = [role for text, role in row if any("⠉" <= c <= "⣿" for c in text) and role != "chance"]
        assert len(set(roles)) <= 1
