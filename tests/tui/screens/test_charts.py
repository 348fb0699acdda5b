"""The charts as a user sees them: every extreme, every mark, the read-out, and what the keys and the mouse do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.events import MouseDown, MouseMove, MouseScrollUp, MouseUp
from textual.pilot import Pilot

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.charts import ChartsScreen
from imgexp_tui.tui.screens.compare import CompareScreen
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.views.charts.model import ChartChoice
from tests.conftest import NewLab
from tests.helpers import screen_rows, screen_text, until
from tests.support.recorded_runs import a_run, a_run_of, write_steps

GUTTER = 9
CHANCE = "⠁⠂⠄⡀"
NOTEBOOK = '[versions.v0]\n[versions.v1]\nbase = "v0"\n[versions.v2]\n'


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    """v0 with short epochs and v1 with long ones; v1 is ahead by step and behind by epoch."""
    lab = new_lab(NOTEBOOK)
    a_run_of(lab, "v0", "20260101-000000-aaaaaa", 200, lambda s: math.exp(-s / 200), per=10)
    a_run_of(lab, "v1", "20260101-000000-bbbbbb", 200, lambda s: math.exp(-s / 150), per=2)
    return lab


@asynccontextmanager
async def charts(
    lab: Path, *versions: str, size: tuple[int, int] = (80, 24), metric: str = "", steps: tuple[int, int] | None = None
) -> Any:
    """The charts of some versions, complete."""
    app = LabApp(lab)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        screen = ChartsScreen(lab, [ChartChoice(name) for name in versions], metric, steps)
        app.push_screen(screen)
        await until(pilot, lambda: screen.is_mounted and screen._picture.lines and not screen._picture.is_reading)
        yield pilot


def curve_rows(pilot: Pilot[None]) -> list[str]:
    """The rows of the plot, without what stands left of it."""
    return [row[GUTTER:] for row in screen_rows(pilot) if row[GUTTER - 1] in "┤│"]


def dotted(cell: str) -> bool:
    return 0x2800 < ord(cell) < 0x2900


def axis_row(pilot: Pilot[None]) -> str:
    return next(row[GUTTER:] for row in screen_rows(pilot) if row[GUTTER - 1] == "└")


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    lab = tmp_path_factory.mktemp("million")
    (lab / "experiments.toml").write_text("[versions.v0]\n")
    a_run(lab, "v0", "20260101-000000-aaaaaa", [])
    with RunDir(lab / "runs" / "v0" / "20260101-000000-aaaaaa").metrics.open("w") as file:
        for s in range(1, 1_000_001):
            value = 9.0 if s == 777_777 else 1.0
            file.write(f'{{"step":{s},"epoch":{(s - 1) // 1000 + 1},"time":{1000 + s / 10},"train/loss":{value}}}\n')
    yield lab


async def test_a_spike_of_one_step_in_a_million_is_seen_at_every_zoom(million: Path) -> None:
    async with charts(million, "v0") as pilot:
        screen, wide = pilot.app.screen, 80 - GUTTER
        for low, high in ((0, 1_000_000), (500_000, 1_000_000), (770_000, 780_000), (777_700, 777_800)):
            screen._update_request(span=(float(low), float(high)))
            await until(pilot, lambda low=low, high=high: screen._picture.window == (low, high))
            tops = curve_rows(pilot)[:3]
            spiked = [cell for cell in range(wide) if any(dotted(row[cell]) for row in tops)]
            where = int((777_777 - low) / (high - low) * wide)
            assert where in spiked, screen_text(pilot)
            # Where single steps stand apart, the line goes up and down over the cells beside it, too.
            assert set(spiked) <= {where - 1, where, where + 1}


async def test_the_read_out_tells_every_extreme_of_its_cell(million: Path) -> None:
    async with charts(million, "v0") as pilot:
        pilot.app.screen._update_request(cursor=777_000.0)
        await until(pilot, lambda: "here 1 … 9" in screen_text(pilot))
        assert "step 777,000" in screen_text(pilot)
        assert "epoch 777" in screen_text(pilot)


async def test_what_is_not_finite_leaves_a_mark(lab: Path) -> None:
    a_run_of(
        lab, "v2", "20260101-000000-cccccc", 200, lambda s: math.nan if s == 100 else math.inf if s == 150 else 1 / s
    )
    async with charts(lab, "v2") as pilot:
        row = axis_row(pilot)
        wide = 80 - GUTTER
        assert [i for i, sign in enumerate(row) if sign == "×"] == [int(s / 200 * wide) for s in (100, 150)]
        assert "× 2 not finite" in screen_text(pilot)


async def test_the_cursor_reads_step_epoch_and_value_of_each_run(lab: Path) -> None:
    async with charts(lab, "v0", "v1", metric="train/loss") as pilot:
        await pilot.press("left")
        await until(pilot, lambda: "▲" in screen_text(pilot))
        at = axis_row(pilot).index("▲")
        await pilot.press(*["left"] * 10)
        await until(pilot, lambda: axis_row(pilot).find("▲") == at - 10)
        step = int(pilot.app.screen._picture.cursor + 0.5)
        legend = [row for row in screen_rows(pilot) if "━" in row]
        for row, per, scale in zip(legend, (10, 2), (200, 150), strict=True):
            near = next(s for s in (step, step - 1, step + 1) if f"step {s}" in row)
            assert f"epoch {near / per:.4g}" in row
            assert f"{math.exp(-near / scale):.4f}" in row
        await pilot.press("0")
        await until(pilot, lambda: "▲" not in screen_text(pilot))


async def test_one_key_tells_the_opposite_story(lab: Path) -> None:
    """By step, v1 is below v0; by epoch, it is above."""
    async with charts(lab, "v0", "v1") as pilot:
        values = {}
        for axis in ("step", "epoch"):
            await until(pilot, lambda axis=axis: f"x: {axis}" in screen_text(pilot))
            pilot.app.screen._update_request(cursor=100.0 if axis == "step" else 10.0)
            await until(pilot, lambda: "▲" in screen_text(pilot) and pilot.app.screen._picture.cursor in (100.0, 10.0))
            legend = [row.split("━ ")[1].split()[1] for row in screen_rows(pilot) if "━" in row]
            values[axis] = [float(value) for value in legend]
            await pilot.press("0", "x")
        assert values["step"][1] < values["step"][0]
        assert values["epoch"][1] > values["epoch"][0]


async def test_x_goes_round_and_keeps_the_part_in_sight(lab: Path) -> None:
    async with charts(lab, "v0") as pilot:
        pilot.app.screen._update_request(span=(50.0, 100.0))
        windows = {}
        for axis in ("step", "epoch", "time", "samples"):
            await until(pilot, lambda axis=axis: f"x: {axis}" in screen_text(pilot))
            await until(pilot, lambda: pilot.app.screen._picture.axis == pilot.app.screen._request.axis)
            await until(pilot, lambda: "zoomed" in screen_text(pilot))
            windows[axis] = pilot.app.screen._picture.window
            await pilot.press("x")
        assert windows["epoch"] == pytest.approx((5, 10))
        assert windows["samples"] == pytest.approx((50 * 64, 100 * 64))
        assert windows["time"] == pytest.approx((49, 99))
        await until(pilot, lambda: "x: step" in screen_text(pilot))
        assert pilot.app.screen._picture.window == pytest.approx((50, 100))


async def test_seeds_are_one_curve_with_a_band(lab: Path) -> None:
    for seed in (1, 2, 3):
        run = f"20260101-00000{seed}-00000{seed}"
        a_run_of(lab, "v2", run, 200, lambda s, seed=seed: 0.2 * seed, group="g", seed=seed)
    async with charts(lab, "v2", metric="valid/loss") as pilot:
        assert "v2 ×3 valid" in screen_text(pilot)
        assert "0.4000" in screen_text(pilot)
        assert "0.2000 … 0.6000" in screen_text(pilot)
        assert "min–max" in screen_text(pilot)
        rows = curve_rows(pilot)
        filled = [i for i, row in enumerate(rows) if sum(map(dotted, row)) > 30]
        assert filled[-1] - filled[0] > len(rows) // 2
        await pilot.press("b")
        await until(pilot, lambda: "± std" in screen_text(pilot))
        await pilot.press("b")
        await until(pilot, lambda: "v2 seed 3 valid" in screen_text(pilot))


async def test_curves_are_told_apart_without_colour(lab: Path) -> None:
    async with charts(lab, "v0", "v1") as pilot:
        assert " a━ v0 " in screen_text(pilot)
        assert " b━ v1 " in screen_text(pilot)
        drawn = "".join(curve_rows(pilot))
        assert drawn.count("a") >= 2
        assert drawn.count("b") >= 2


async def test_best_chance_and_attempts_are_marked(lab: Path) -> None:
    resumed = {"kind": "resumed", "attempt": 2, "time": 1100.0}
    best = lambda s: 0.3 + abs(s - 60) / 100  # noqa: E731
    a_run_of(lab, "v2", "20260101-000000-cccccc", 200, best, events=(resumed,))
    async with charts(lab, "v2", metric="valid/loss", size=(100, 30)) as pilot:
        text, wide = screen_text(pilot), 100 - GUTTER
        assert "◆ best 0.3000 epoch 6" in text
        assert "chance ┤" in text
        rows = curve_rows(pilot)
        assert any(row[int(60 / 200 * wide)] == "◆" for row in rows)
        assert any(row[int(100 / 200 * wide)] == "┊" for row in rows)


async def test_smoothing_keeps_what_was_measured(lab: Path) -> None:
    a_run_of(lab, "v2", "20260101-000000-cccccc", 200, lambda s: 5.0 if s == 120 else 1.0 + s % 2)
    async with charts(lab, "v2", metric="train/loss") as pilot:
        at = int(120 / 200 * (80 - GUTTER))
        assert dotted(curve_rows(pilot)[1][at])
        await pilot.press("s", "s")
        await until(pilot, lambda: "smoothed 0.9" in screen_text(pilot))
        assert dotted(curve_rows(pilot)[1][at])
        await pilot.press("s", "s", "s")
        await until(pilot, lambda: "smoothed" not in screen_text(pilot))


async def test_both_axes_can_be_logarithmic(lab: Path) -> None:
    a_run_of(lab, "v2", "20260101-000000-cccccc", 1000, lambda s: 1 / s)
    async with charts(lab, "v2", metric="train/loss") as pilot:
        await pilot.press("y", "X")
        await until(pilot, lambda: "log y · log x" in screen_text(pilot))
        rows = curve_rows(pilot)
        # 1/x is straight on two logarithmic axes: half way across, the line is half way down.
        middle = [
            i for i, row in enumerate(rows) if any((dotted(c) and c not in CHANCE) or c in "ab" for c in row[34:37])
        ]
        assert abs(sum(middle) / len(middle) - len(rows) / 2) < 2
        assert "0.001" in screen_text(pilot)


async def test_all_metrics_stand_side_by_side(lab: Path) -> None:
    async with charts(lab, "v0", "v1") as pilot:
        await pilot.press("a")
        await until(pilot, lambda: screen_text(pilot).count("step 0") > 2)
        for title in ("▸valid loss", "train loss", "valid accuracy"):
            assert title in screen_text(pilot)
        await pilot.press("m")
        await until(pilot, lambda: "▸train loss" in screen_text(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "▸" not in screen_text(pilot))
        assert " train loss" in screen_text(pilot)


async def test_keys_and_mouse_zoom_and_pan(lab: Path) -> None:
    async with charts(lab, "v0") as pilot:
        screen = pilot.app.screen
        await pilot.press("plus")
        await until(pilot, lambda: screen._picture.window == pytest.approx((50, 150)))
        await pilot.press("full_stop")
        await until(pilot, lambda: screen._picture.window == pytest.approx((75, 175)))
        await pilot.press("full_stop", "full_stop")
        await until(pilot, lambda: screen._picture.window == pytest.approx((100, 200)))
        await pilot.press("minus", "minus")
        await until(pilot, lambda: screen._picture.window == pytest.approx((0, 200)))
        mouse(pilot, MouseScrollUp, GUTTER)
        await until(pilot, lambda: screen._picture.window[1] < 170)
        low, high = screen._picture.window
        assert low < 1
        mouse(pilot, MouseDown, 60)
        mouse(pilot, MouseMove, 50)
        await until(pilot, lambda: screen._picture.window[0] > low + 5)
        mouse(pilot, MouseUp, 50)
        assert screen._picture.window[0] - low == pytest.approx((high - low) * 10 / (80 - GUTTER))
        mouse(pilot, MouseDown, 30)
        mouse(pilot, MouseUp, 30)
        await until(pilot, lambda: axis_row(pilot).find("▲") == 30 - GUTTER)


def mouse(pilot: Pilot[None], kind: type[Any], x: int) -> None:
    screen = pilot.app.screen
    screen.post_message(
        kind(screen, x, 10, 0, 0, 0 if kind is MouseScrollUp else 1, False, False, False, screen_x=x, screen_y=10)
    )


async def test_a_live_run_is_followed_and_a_still_one_writes_nothing(lab: Path) -> None:
    run = a_run_of(lab, "v2", "20260101-000000-cccccc", 100, lambda s: 1 / s, ended=False)
    async with charts(lab, "v2") as pilot:
        assert "step 100" in screen_text(pilot)
        shown: list[object] = []
        view = pilot.app.screen._view
        before, view.set_lines = view.set_lines, shown.append  # type: ignore[method-assign]
        looks = []
        look = pilot.app.screen._chart_session.refresh
        pilot.app.screen._chart_session.refresh = lambda asked: looks.append(found := look(asked)) or found
        await until(pilot, lambda: len(looks) > 2)
        assert looks == [None] * len(looks)
        assert shown == []
        view.set_lines = before  # type: ignore[method-assign]
        write_steps(run, 101, 110, lambda s: 1 / s)
        await until(pilot, lambda: "step 110" in screen_text(pilot), seconds=5)


async def test_gradient_norms_stand_over_depth_and_time(lab: Path) -> None:
    def norms(step: int) -> dict[str, float]:
        return {f"gradient_norm/{i:02d}.{name}": 10.0**-i for i, name in enumerate(("stem", "blocks", "head"))}

    a_run_of(lab, "v2", "20260101-000000-cccccc", 50, lambda s: 1 / s, more=norms)
    async with charts(lab, "v2") as pilot:
        assert "gradient" not in screen_text(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "gradient norms" in screen_text(pilot))
        bars = [
            next(row for row in screen_rows(pilot) if name in row).count("━") for name in ("stem", "blocks", "head")
        ]
        assert bars[0] > bars[1] > bars[2]
        assert "0.0100" in next(row for row in screen_rows(pilot) if "head" in row)
        assert "████" in next(row for row in screen_rows(pilot) if "stem" in row)


async def test_the_main_screen_and_the_comparison_open_them(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen) and pilot.app.screen._snapshot.rows)
        await until(
            pilot,
            lambda: "v1" in pilot.app.screen._snapshot.rows and pilot.app.screen._snapshot.rows["v1"].displayed_run,
        )
        await pilot.press("home", "c")
        await until(pilot, lambda: "━ v0 valid" in screen_text(pilot))
        assert "v1" not in screen_text(pilot)
        await pilot.press("escape", "j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and "2 marked" in screen_text(pilot))
        await pilot.press("c")
        await until(pilot, lambda: "a━ v0" in screen_text(pilot) and "b━ v1" in screen_text(pilot))
        await pilot.press("escape", "escape", "G", "c")
        await until(pilot, lambda: "v2 has no run yet" in screen_text(pilot))


async def test_a_finding_opens_its_metric_at_its_steps(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen) and pilot.app.screen._snapshot.rows)
        pilot.app.screen.navigation.open_charts(["v0"], "train/loss", (80, 100))  # type: ignore[attr-defined]
        await until(pilot, lambda: isinstance(pilot.app.screen, ChartsScreen) and pilot.app.screen._picture.lines)
        assert pilot.app.screen._picture.window == pytest.approx((60, 120))
        rows = curve_rows(pilot)
        marked = {i for row in rows for i, sign in enumerate(row) if sign == "╎"}
        assert marked == {int((step - 60) / 60 * (80 - GUTTER)) for step in (80, 100)}


async def test_every_run_of_a_version_can_be_shown(lab: Path) -> None:
    a_run_of(lab, "v0", "20250101-000000-dddddd", 50, lambda s: 1.0)
    async with charts(lab, "v0", metric="valid/loss") as pilot:
        assert "dddddd" not in screen_text(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "━ v0 dddddd" in screen_text(pilot) and "━ v0 aaaaaa" in screen_text(pilot))


async def test_odd_names_and_empty_runs_do_no_harm(lab: Path) -> None:
    a_run_of(lab, "v2", "20260101-000000-cccccc", 20, lambda s: 1.0, more=lambda s: {"[bold]\x1b[31m odd/[/]": s})
    a_run(lab, "v1", "20270101-000000-eeeeee", [])
    async with charts(lab, "v2", "v1") as pilot:
        for _ in range(5):
            await pilot.press("m")
            await pilot.pause(0.05)
        assert "\x1b" not in screen_text(pilot)
        await pilot.press("a")
        await until(pilot, lambda: "[bold]" in screen_text(pilot))
