"""Decodes an image file into a square of pixels, and recognises image files by their first bytes.

Suffixes are not used: data sets come with wrong ones and without any. Pillow decodes, because it supports every
format, releases the lock of the interpreter meanwhile, and scales JPEG files while it decodes them (torchvision's
decoders are deprecated since 0.29).
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as v2

HEAD_SIZE = 16
"""How many bytes `is_image` needs."""
_MAGIC_BYTES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_MAX_PIXELS = 200_000_000


class UnreadableImage(Exception):
    """The bytes are not an image, or the image is damaged."""


def is_image(head: bytes) -> bool:
    """Whether a file that starts with `head` is an image: JPEG, PNG, GIF, WebP, BMP or TIFF."""
    return head.startswith(_MAGIC_BYTES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def decode_image(data: bytes, side: int) -> Tensor:
    """The middle square of an image, scaled, uint8 [3, side, side], red green blue.

    Raises:
        UnreadableImage: the bytes are not an image, are damaged, or have more than 200 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise UnreadableImage(f"{image.width} x {image.height} pixels are too many")
            # Still at least twice as large as needed, so that the scaling below determines the pixels.
            image.draft("RGB", (2 * side, 2 * side))
            return from_pil(image, side)
    except UnreadableImage:
        raise
    # Pillow's message contains a memory address, so that it would differ between processes for the same file.
    except UnidentifiedImageError:
        raise UnreadableImage("its head is damaged") from None
    # Pillow raises half a dozen kinds of exceptions for damaged files, among them SyntaxError and struct.error.
    except Exception as error:  # noqa: BLE001
        raise UnreadableImage(str(error) or type(error).__name__) from None


def from_pil(image: Image.Image, side: int) -> Tensor:
    """The middle square of a Pillow image (the first frame of an animation), upright, uint8 [3, side, side]."""
    upright = ImageOps.exif_transpose(image).convert("RGB")
    fitted = ImageOps.fit(upright, (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)


def resize_to_square(images: Tensor, side: int) -> Tensor:
    """The middle squares of uint8 [n, 3, height, width], scaled to `side` (bilinear, antialiased)."""
    # With one number, torchvision scales the shorter side to it.
    scaled = v2.resize(images, [side], antialias=True)
    square: Tensor = v2.center_crop(scaled, [side, side])
    return square
