"""Draws the images that a model gets most wrong as one PNG, with their true and predicted classes."""

from __future__ import annotations

import io
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.palette import RIGHT_PREDICTION, WRONG_PREDICTION
from imgexp_tui.records.predictions import Predictions
from imgexp_tui.text import clean_line

_COLUMNS, _SCALE, _CAPTION, _GAP = 8, 2, 26, 8
"""Images in a row, pixels for each pixel of an image, and the height of a caption and a gap in pixels."""


def save_png(predictions: Predictions, path: Path) -> None:
    """Writes the images to `path`, most wrong first, in rows of 8; an existing file is replaced.

    Raises:
        OSError: the file could not be written.
    """
    # Pillow comes with torchvision; nothing else of the app needs it.
    from PIL import Image, ImageDraw

    side = predictions.side * _SCALE
    cell_width, cell_height = max(side, 96) + _GAP, side + _CAPTION + _GAP
    rows = max(1, -(-len(predictions.images) // _COLUMNS))
    sheet = Image.new("RGB", (_COLUMNS * cell_width + _GAP, rows * cell_height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, answer in enumerate(predictions.images):
        x, y = _GAP + number % _COLUMNS * cell_width, _GAP + number // _COLUMNS * cell_height
        small = Image.frombytes("RGB", (predictions.side, predictions.side), predictions.image_pixels(number))
        sheet.paste(small.resize((side, side), Image.Resampling.NEAREST), (x, y))
        truth, predicted = (clean_line(predictions.classes[i])[:16] for i in (answer.truth, answer.predicted))
        wrong = answer.truth != answer.predicted
        draw.text((x, y + side + 1), truth, fill="black")
        colour = WRONG_PREDICTION if wrong else RIGHT_PREDICTION
        draw.text((x, y + side + 12), f"{100 * answer.confidence:.0f} % {predicted}", fill=colour)
    out = io.BytesIO()
    sheet.save(out, "PNG")
    durable.replace(path, out.getvalue(), mode=0o644)
