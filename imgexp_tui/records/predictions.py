"""`answers/last.bin` and `answers/best.bin`: what a model answered to its validation images, the most wrong first.

A line of JSON, then the small pictures as raw bytes, one after the other: it takes no picture library to show them.
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
"""Bytes of a file; a larger one was not written by us."""
_MAX_CLASSES = 2_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image.

    Attributes:
        truth, predicted: indices of classes.
        confidence: the probability that the model gave its answer.
        truth_probability: the probability that it gave the truth; the images are sorted by it.
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
        confusion: a row for each true class: how often each class was answered. All validation images count.
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
    """Write them as `name`, `last` or `best`, in place of those of an earlier epoch.

    Raises:
        OSError: it could not be written; what stood there is whole.
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
    """What was written as `name`; None where that is nothing, or nothing that can be read."""
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
    """Raises ValueError, KeyError or TypeError where the parts do not fit together."""
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
