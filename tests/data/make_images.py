"""Makes `images.zip`: small JPEG files without suffixes, flat, without a split, as collections of photographs come.

    python -m tests.data.make_images

What an image shows is decided by its number alone. The zip is kept in the repository, so that tests do not depend on
the bytes that a version of Pillow happens to write.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image

from tests.data import IMAGES

COUNT = 400
_SIDE = 96
_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: the same images give the same bytes


def picture(number: int, side: int = 40, kind: str = "JPEG") -> bytes:
    """An image file: two colours and a gradient that only `number` decides."""
    random = np.random.default_rng(number)
    low, high = random.integers(0, 256, (2, 3))
    ramp = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
    pixels = (low + (high - low) * ramp).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def name(number: int) -> str:
    """Its name in the zip, which ends as if a suffix had lost its dot."""
    return f"n{number:05d}_{'abcde'[number % 5]}jpg"


def main() -> None:
    with zipfile.ZipFile(IMAGES, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(COUNT):
            archive.writestr(zipfile.ZipInfo(name(number), _DAY), picture(number, _SIDE), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
