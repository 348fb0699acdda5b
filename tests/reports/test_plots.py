"""Plots: what a figure holds, that drawing it gives the same bytes, and what an export may touch beside its page."""

from __future__ import annotations

import hashlib
import io
import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgexp_tui.reports.plot_data import (
    MAX_COLUMNS,
    MAX_VERSIONS,
    Figure,
    PlotLine,
    PlotPanel,
    comparison_figure,
    reported_run,
    run_figure,
    thinned,
)
from imgexp_tui.reports.plot_files import LIST_NAME, ExportError, plots_folder_of, write_export
from imgexp_tui.reports.plot_render import draw
from tests.support.recorded_runs import PLAN, a_run

RUN = "20260101-000000-aaaaaa"


def test_a_run_s_figure_shows_its_curves_chance_best_epoch_and_attempts(tmp_path: Path) -> None:
    resumed = {"kind": "resumed", "attempt": 2, "time": 2.8}
    figure = run_figure("v0", a_run(tmp_path, "v0", RUN, [0.7, 0.4, 0.6], events=[PLAN, resumed]))
    assert figure is not None
    loss, accuracy = figure.panels
    assert (figure.name, figure.axis, figure.attempt_starts) == ("v0", "epoch", (2.5,))
    assert figure.alt_text == f"Loss and accuracy of v0, run {RUN}: best 0.4000 at epoch 2"
    assert [(line.label, line.role) for line in loss.lines] == [("train", "train"), ("valid", "valid")]
    assert loss.lines[1].points == ((1.0, 0.7), (2.0, 0.4), (3.0, 0.6))
    assert loss.lines[1].has_dots
    assert (loss.chance, loss.best_point, loss.best_text) == (0.6931, (2.0, 0.4), "best 0.4000 at epoch 2")
    assert (accuracy.chance, accuracy.best_point, accuracy.best_text) == (0.5, (2.0, 0.6), "0.6000 at that epoch")


def test_without_a_plan_steps_are_counted(tmp_path: Path) -> None:
    figure = run_figure("v0", a_run(tmp_path, "v0", RUN, [0.7, 0.4]))
    assert figure and figure.axis == "step"
    assert [x for x, _ in figure.panels[0].lines[1].points] == [2, 4]
    assert figure.panels[0].chance is None


def test_a_run_without_a_finite_value_has_no_figure(tmp_path: Path) -> None:
    assert run_figure("v0", a_run(tmp_path, "v0", RUN, [])) is None
    figure = run_figure("v1", a_run(tmp_path, "v1", RUN, [math.nan, math.inf]))
    assert figure and [panel.metric for panel in figure.panels] == ["loss"]
    assert [line.role for line in figure.panels[0].lines] == ["train"]


def test_a_loss_that_falls_through_orders_of_magnitude_is_drawn_on_a_log_scale(tmp_path: Path) -> None:
    figure = run_figure("v0", a_run(tmp_path, "v0", RUN, [9e9, 0.4]))
    assert figure and figure.panels[0].is_log_scale and not figure.panels[1].is_log_scale


def test_the_overview_compares_the_best_versions(tmp_path: Path) -> None:
    views = {f"v{i}": a_run(tmp_path, f"v{i}", RUN, [0.9 - i / 100], events=[PLAN]) for i in range(MAX_VERSIONS + 2)}
    figure = comparison_figure("all", views)
    assert figure and figure.alt_text == f"Validation curves of the {MAX_VERSIONS} best of {MAX_VERSIONS + 2} versions"
    assert [line.label for line in figure.panels[0].lines] == [f"v{i}" for i in range(2, MAX_VERSIONS + 2)]
    assert [panel.chance for panel in figure.panels] == [0.6931, 0.5]
    assert comparison_figure("all", {"v0": views["v0"]}) is None


def test_the_run_that_is_shown_is_the_best_else_the_newest(tmp_path: Path) -> None:
    none, good = a_run(tmp_path, "v0", "20260102-000000-bbbbbb", []), a_run(tmp_path, "v0", RUN, [0.4])
    assert reported_run([none, good]) is good
    assert reported_run([none]) is none
    assert reported_run([]) is None


VALUES = st.lists(st.one_of(st.floats(), st.floats(-1, 1), st.just(math.nan)), min_size=1, max_size=200)


@given(VALUES, st.integers(1, 20))
def test_thinning_keeps_extremes_order_and_gaps(values: list[float], columns: int) -> None:
    points = thinned(range(len(values)), values, columns)
    finite = [v for v in values if math.isfinite(v)]
    shown_values = [y for _, y in points if not math.isnan(y)]
    assert len(points) <= 3 * columns
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert (min(finite, default=None), max(finite, default=None)) == (
        min(shown_values, default=None),
        max(shown_values, default=None),
    )
    assert any(math.isnan(y) for _, y in points) is (len(finite) < len(values))
    assert all(values[x] == y or math.isnan(y) for x, y in points)


def test_one_spike_in_a_million_steps_is_seen() -> None:
    values = array("d", [0.5]) * 1_000_000
    values[654_321] = 9.0
    points = thinned(range(1_000_000), values)
    assert len(points) <= 2 * MAX_COLUMNS
    assert (654_321, 9.0) in points


FIGURE = Figure(
    "v0",
    "Loss of v0",
    "epoch",
    (
        PlotPanel(
            "loss",
            (
                PlotLine("train, each step", "steps", tuple((i / 100, 1 / (1 + i)) for i in range(300))),
                PlotLine("valid", "valid", ((1.0, 0.7), (2.0, math.nan), (3.0, 0.4))),
            ),
            chance=0.6931,
            best_point=(3.0, 0.4),
            best_text="best 0.4000 at epoch 3",
        ),
        PlotPanel(
            "valid accuracy",
            (PlotLine("v0", "0", ((1.0, 0.5),)), PlotLine("v1", "9", ((1.0, 0.6),))),
            is_log_scale=True,
        ),
    ),
    (1.5,),
)


def test_the_same_figure_gives_the_same_bytes_whatever_the_user_s_settings(tmp_path: Path) -> None:
    drawing = draw(FIGURE)
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: none\nsavefig.dpi: 10\naxes.facecolor: red\n")
    code = (
        f"import hashlib\nfrom {__name__} import FIGURE\nfrom imgexp_tui.reports.plot_render import draw\n"
        "d = draw(FIGURE)\nprint(hashlib.sha256(d.png).hexdigest(), hashlib.sha256(d.svg).hexdigest())\n"
    )
    environment = {
        **os.environ,
        "MATPLOTLIBRC": str(tmp_path),
        "PYTHONHASHSEED": "5",
        "TZ": "Asia/Tokyo",
        "MPLBACKEND": "none",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(data).hexdigest() for data in (drawing.png, drawing.svg)]
    assert done.stderr == ""


def test_a_drawing_is_transparent_small_and_says_nothing_of_its_making() -> None:
    drawing = draw(FIGURE)
    with Image.open(io.BytesIO(drawing.png)) as image:
        assert image.size == (1600, 560)
        assert image.info.keys() <= {"transparency", "dpi"}
        assert image.convert("RGBA").getpixel((2, 2))[3] == 0  # type: ignore[index]
        assert image.convert("RGBA").getpixel((600, 100))[3] < 255  # type: ignore[index]
    assert len(drawing.png) < 60_000
    root = ET.fromstring(drawing.svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = drawing.svg.decode()
    assert "<dc:date" not in text and "Matplotlib v" not in text and "<text" not in text


@pytest.mark.parametrize(
    "values", [[1e308, -1e308, 0.5], [5e-324, 1e300], [0.5], [0.0, 0.0], [math.nan, 0.5, math.nan, 0.4], [1e5, 1e-9]]
)
@pytest.mark.parametrize("chance", [None, 0.69, 1e300])
def test_no_value_keeps_a_run_from_being_drawn(values: list[float], chance: float | None) -> None:
    line = PlotLine("valid", "valid", tuple((float(i * 2**60), y) for i, y in enumerate(values)))
    log = min(values) > 0 and max(values) > 100 * min(values)
    panel = PlotPanel("loss", (line,), chance, best_point=(0.0, values[-1]), best_text="best", is_log_scale=log)
    assert draw(Figure("v0", "Loss", "step", (panel,))).png.startswith(b"\x89PNG")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_plots_go_where_the_page_s_name_says_and_stale_ones_go(tmp_path: Path) -> None:
    page = tmp_path / "my notes.md"
    folder = plots_folder_of(page)
    assert folder == tmp_path / "my notes_files"
    write_export(folder, {"v0.png": b"a", "v1.png": b"b"}, lambda: page.touch())
    (folder / "mine.png").write_bytes(b"mine")
    (folder / "v1.svg").write_bytes(b"drawn by hand")
    write_export(folder, {"v0.png": b"A"}, lambda: page.touch())
    assert names(folder) == {"v0.png", "mine.png", "v1.svg", LIST_NAME}
    assert (folder / "v0.png").read_bytes() == b"A"
    write_export(folder, {}, lambda: page.touch())
    assert names(folder) == {"mine.png", "v1.svg"}
    (folder / "mine.png").unlink()
    (folder / "v1.svg").unlink()
    write_export(folder, {"v0.png": b"a"}, lambda: page.touch())
    write_export(folder, {}, lambda: page.touch())
    assert not folder.exists()


def test_a_file_that_no_export_made_is_never_overwritten_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "notebook_files"
    wrote: list[str] = []
    write_export(folder, {"v0.png": b"a"}, lambda: None)
    (folder / "v1.png").write_bytes(b"mine")
    with pytest.raises(ExportError, match=r"v1\.png is not as an export left it"):
        write_export(folder, {"v0.png": b"b", "v1.png": b"b"}, lambda: wrote.append("page"))
    assert ((folder / "v0.png").read_bytes(), (folder / "v1.png").read_bytes(), wrote) == (b"a", b"mine", [])
    (folder / "v0.png").write_bytes(b"retouched")
    with pytest.raises(ExportError, match=r"v0\.png"):
        write_export(folder, {"v0.png": b"b"}, lambda: wrote.append("page"))
    write_export(folder, {}, lambda: wrote.append("page"))
    assert (folder / "v0.png").read_bytes() == b"retouched"


def test_a_link_out_of_the_folder_and_a_forged_list_reach_nothing(tmp_path: Path) -> None:
    folder, outside = tmp_path / "notebook_files", tmp_path / "outside.png"
    outside.write_bytes(b"a")
    write_export(folder, {"v0.png": b"a"}, lambda: None)
    (folder / "v0.png").unlink()
    (folder / "v0.png").symlink_to(outside)
    with pytest.raises(ExportError):
        write_export(folder, {"v0.png": b"b"}, lambda: None)
    line = (folder / LIST_NAME).read_text().splitlines()[1]
    (folder / LIST_NAME).write_text(line.replace("v0.png", "../outside.png") + "\n")
    write_export(folder, {}, lambda: None)
    assert outside.read_bytes() == b"a"


def test_a_broken_off_export_can_be_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "notebook_files"
    write_export(folder, {"v0.png": b"a", "v1.png": b"a"}, lambda: None)

    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_export(folder, {"v0.png": b"b", "v2.png": b"b"}, fail)
    write_export(folder, {"v0.png": b"c"}, lambda: None)
    assert names(folder) == {"v0.png", LIST_NAME}
    assert (folder / "v0.png").read_bytes() == b"c"


def test_exporting_again_writes_no_picture_anew(tmp_path: Path) -> None:
    folder = tmp_path / "notebook_files"
    write_export(folder, {"v0.png": b"a"}, lambda: None)
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    write_export(folder, {"v0.png": b"a"}, lambda: None)
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before


def test_a_file_where_the_folder_belongs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notebook_files").write_text("mine")
    with pytest.raises(ExportError, match="no folder"):
        write_export(tmp_path / "notebook_files", {"v0.png": b"a"}, lambda: None)
