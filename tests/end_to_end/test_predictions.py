"""What a model answered: from the trainer to the file, and from the file to the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.color import ColorTriplet

from imgexp_tui.records import predictions as record
from imgexp_tui.records.predictions import Prediction, Predictions
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.reports.prediction_grid import save_png
from imgexp_tui.training.tasks import PatchworkTask
from imgexp_tui.training.validation.predictions import MAX_IMAGES, PredictionCollector
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.predictions import PictureGrid, PredictionsScreen
from imgexp_tui.tui.terminal import image_cells
from imgexp_tui.views.runs.confusion import confusion_lines
from imgexp_tui.views.styled import line_width, plain_text
from tests.helpers import screen_text, until
from tests.support.recorded_runs import a_run
from tests.support.training_runs import finish, folder_of_pictures, new_run, start

SOME = Predictions(
    epoch=3,
    step=30,
    classes=("cat", "dog [/]\x1b[31m"),
    confusion=((8, 2), (5, 1)),
    side=2,
    images=(Prediction(1, 0, 0.9, 0.1), Prediction(0, 0, 0.7, 0.7)),
    pixels=bytes(range(24)),
)


class _Binary(PatchworkTask):
    """The patchwork task without its images."""

    def __init__(self) -> None:
        pass


def test_the_most_wrong_of_all_batches_are_kept_in_order() -> None:
    collector, random = PredictionCollector(_Binary()), torch.Generator().manual_seed(0)
    shares: list[tuple[float, int]] = []
    number = 0
    for _ in range(9):
        n = 31
        inputs = torch.zeros(n, 3, 4, 4, dtype=torch.uint8)
        probabilities, targets = torch.rand(n, 1, generator=random), (torch.rand(n, 1, generator=random) < 0.5).float()
        for i in range(n):
            inputs[i] = number % 251
            right = float(probabilities[i] if targets[i] else 1 - probabilities[i])
            shares.append((right, number % 251))
            number += 1
        collector.update(inputs, probabilities, targets)
    predictions = collector.compute(1, 9)
    expected = sorted(shares)[:MAX_IMAGES]
    assert [image.truth_probability for image in predictions.images] == pytest.approx([right for right, _ in expected])
    assert [predictions.image_pixels(i)[0] for i in range(MAX_IMAGES)] == [value for _, value in expected]
    assert sum(map(sum, predictions.confusion)) == len(shares)
    wrong = sum(right < 0.5 for right, _ in shares)
    assert predictions.confusion[0][1] + predictions.confusion[1][0] == wrong


def test_large_images_are_made_small_and_keep_their_colours() -> None:
    collector = PredictionCollector(_Binary())
    inputs = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    inputs[:, 0, :, :64] = 200
    collector.update(inputs, torch.tensor([[0.2]]), torch.tensor([[1.0]]))
    predictions = collector.compute(1, 1)
    assert predictions.side == 48
    assert tuple(predictions.image_pixels(0)[:3]) == (200, 0, 0)
    assert tuple(predictions.image_pixels(0)[-3:]) == (0, 0, 0)
    assert predictions.images == (Prediction(1, 0, pytest.approx(0.8), pytest.approx(0.2)),)


def test_a_training_writes_down_what_it_answered_last_and_at_its_best(tmp_path: Path) -> None:
    pictures = folder_of_pictures(tmp_path / "pictures", 40, ["cat", "dog"])
    run = new_run(tmp_path, data=str(pictures), task="classification", valid_fraction=0.5)
    code, out, error = finish(start(run))
    assert code == 0, (out, error)
    last, best = record.read(run, "last"), record.read(run, "best")
    assert last and best
    assert last.epoch == 2
    assert last.classes == ("cat", "dog")
    assert sum(map(sum, last.confusion)) == len(last.images)
    assert all(a.truth_probability <= b.truth_probability for a, b in zip(last.images, last.images[1:], strict=False))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    record.write(run, "last", SOME)
    assert record.read(run, "last") == SOME
    assert record.read(run, "best") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[5:],
        lambda raw: b"",
        lambda raw: raw.replace(b'"side":2', b'"side":3'),
        lambda raw: raw.replace(b"[1,0,0.9,0.1]", b"[7,0,0.9,0.1]"),
        lambda raw: raw.replace(b"[[8,2],[5,1]]", b"[[8,2],[5]]"),
    ],
)
def test_what_is_damaged_is_nothing(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    run = RunDir(tmp_path)
    record.write(run, "last", SOME)
    path = record.path_of(run, "last")
    path.write_bytes(damage(path.read_bytes()))
    assert record.read(run, "last") is None


def test_a_picture_is_two_pixels_a_cell() -> None:
    pixels = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    rows = image_cells.render_image(pixels, 2, 2, colours=True)
    assert len(rows) == 1
    styles: list[Any] = [segment.style for segment in rows[0]]
    assert [s.color.triplet for s in styles] == [ColorTriplet(255, 0, 0), ColorTriplet(0, 255, 0)]
    assert [s.bgcolor.triplet for s in styles] == [ColorTriplet(0, 0, 255), ColorTriplet(10, 20, 30)]


@pytest.mark.parametrize("to", [2, 3, 4, 8])
def test_scaling_keeps_an_even_picture_even(to: int) -> None:
    assert image_cells.scale_image(bytes([9, 80, 200]) * 16, 4, to) == bytes([9, 80, 200]) * to * to


def test_without_colours_light_and_dark_are_told_apart() -> None:
    white, black = bytes([255]) * 12, bytes(12)
    texts = ["".join(s.text for s in image_cells.render_image(p, 2, 2, colours=False)[0]) for p in (white, black)]
    assert texts == ["@@", "  "]


@pytest.mark.parametrize("room", [40, 80, 200])
def test_the_commonest_mistake_is_named(room: int) -> None:
    lines = confusion_lines(SOME, room)
    text = "\n".join(plain_text(one) for one in lines)
    assert "9 of 16 right (56.2%)" in text
    assert "5 of      6 dog [/] taken for cat" in text
    assert "\x1b" not in text
    many = Predictions(1, 1, tuple(f"c{i}" for i in range(10)), ((50,) * 10,) * 10, 1, (), b"")
    assert all(line_width(one) <= 80 for one in confusion_lines(many, 80))
    assert any("taken for" in plain_text(one) and "c9" in plain_text(one) for one in confusion_lines(many, 80))


def test_the_pictures_are_saved_as_png(tmp_path: Path) -> None:
    save_png(SOME, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.getpixel((8, 8)) == (0, 1, 2)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_screen_shows_pictures_and_confusion(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "experiments.toml").write_text("[versions.v0]\n")
    view = a_run(tmp_path, "v0", "20260101-000000-aaaaaa", [0.5])
    record.write(view.run_dir, "last", SOME)
    async with LabApp(tmp_path).run_test(size=size) as pilot:
        await until(pilot, lambda: "killed" in screen_text(pilot))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PredictionsScreen) and "▀" in screen_text(pilot))
        assert "✗ dog [/]" in screen_text(pilot)
        assert "90 % cat" in screen_text(pilot)
        before = pilot.app.screen.query_one(PictureGrid).row_height
        await pilot.press("minus")
        assert pilot.app.screen.query_one(PictureGrid).row_height < before
        await pilot.press("c")
        await until(pilot, lambda: "9 of 16 right" in screen_text(pilot))
        await pilot.press("b")
        await until(pilot, lambda: "No answers yet" in screen_text(pilot))
        await pilot.press("b", "P")
        await until(pilot, (view.run_dir.predictions / "last-epoch-3.png").exists)
