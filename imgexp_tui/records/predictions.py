"""Reads and writes a model's answers to its validation images (`answers/last.bin`, `answers/best.bin`), worst first.

A file is a line of JSON, then the small pictures as raw bytes, one after the other, which need no image library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir

_MAX_BYTES = 64 << 20
"""Most bytes of a file; this program writes no larger one."""
_MAX_CLASSES = 2_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image.

    Attributes:
        truth, predicted: indices of classes.
        confidence: the model's probability of its answer.
        truth_probability: the model's probability of the true class; the images are sorted by it.
    """

    truth: int
    predicted: int
    confidence: float
    truth_probability: float


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers of one validation.

    Attributes:
        classes: their names.
        confusion: a row for each true class, with the count of each answer, over all validation images.
        side: pixels along each side of a small picture.
        pixels: RGB, `side * side * 3` bytes for each of `images`.
    """

    epoch: int
    step: int
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    side: int
    images: tuple[Prediction, ...]
    pixels: bytes

    def image_pixels(self, index: int) -> bytes:
        """The RGB bytes of one image."""
        size = self.side * self.side * 3
        return self.pixels[index * size : (index + 1) * size]


def write(run: RunDir, name: str, predictions: Predictions) -> None:
    """Write predictions as `name`, `last` or `best`, replacing those of an earlier epoch.

    Raises:
        OSError: the file cannot be written; the earlier one is intact.
    """
    head = {
        "epoch": predictions.epoch,
        "step": predictions.step,
        "classes": predictions.classes,
        "confusion": predictions.confusion,
        "side": predictions.side,
        "images": [[a.truth, a.predicted, a.confidence, a.truth_probability] for a in predictions.images],
    }
    durable.make_folder(run.predictions)
    durable.replace(path_of(run, name), orjson.dumps(head) + b"\n" + predictions.pixels)


def read(run: RunDir, name: str) -> Predictions | None:
    """The predictions that were written as `name`; None where the file is missing or damaged."""
    try:
        path = path_of(run, name)
        if path.stat().st_size > _MAX_BYTES:
            return None
        line, _, pixels = path.read_bytes().partition(b"\n")
        return _parse_predictions(orjson.loads(line), pixels)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def path_of(run: RunDir, name: str) -> Path:
    return run.predictions / f"{name}.bin"


def _parse_predictions(header: Any, pixels: bytes) -> Predictions:
    """Parse a file.

    Raises:
        ValueError, KeyError, TypeError: its parts do not fit together.
    """
    predictions = Predictions(
        epoch=int(header["epoch"]),
        step=int(header["step"]),
        classes=tuple(str(name) for name in header["classes"]),
        confusion=tuple(tuple(int(n) for n in row) for row in header["confusion"]),
        side=int(header["side"]),
        images=tuple(Prediction(int(t), int(a), float(c), float(r)) for t, a, c, r in header["images"]),
        pixels=pixels,
    )
    count, classes = len(predictions.images), range(len(predictions.classes))
    consistent = (
        len(classes) <= _MAX_CLASSES
        and len(predictions.confusion) in (0, len(classes))
        and all(len(row) == len(classes) for row in predictions.confusion)
        and all(
            a.truth in classes and a.predicted in classes and math.isfinite(a.confidence) for a in predictions.images
        )
        and predictions.side > 0
        and len(pixels) == count * predictions.side * predictions.side * 3
    )
    if not consistent:
        raise ValueError("the parts do not fit together")
    return predictions
