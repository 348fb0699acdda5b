"""From the bytes of an image file to a square of pixels.

What a file is, its first bytes say: data sets come with wrong suffixes and with none. torchvision decodes the
common formats faster than Pillow; Pillow reads the header before (its size must be sane) and all the other formats.
"""

from __future__ import annotations

import io

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2 import functional as v2

HEAD = 16
"""How many bytes `is_image` looks at."""
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_MOST_PIXELS = 200_000_000
_BY_TORCHVISION = ("JPEG", "PNG", "WEBP")


class Unreadable(Exception):
    """The bytes are no image, or a damaged one."""


def is_image(head: bytes) -> bool:
    """Whether a file that starts with `head` is an image: JPEG, PNG, GIF, WebP, BMP or TIFF."""
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def decode(data: bytes, side: int) -> Tensor:
    """The middle square of an image, uint8 [3, side, side], red green blue.

    The shorter side is scaled to `side` (bilinear, antialiased), then the middle is cut out.

    Raises:
        Unreadable: the bytes are no image, damaged, or of more than 200 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as header:
            if header.width * header.height > _MOST_PIXELS:
                raise Unreadable(f"{header.width} x {header.height} pixels are too many")
            if header.format in _BY_TORCHVISION:
                return square(_decoded(data), side)
            return square(from_pil(header), side)
    except Unreadable:
        raise
    # Pillow and torchvision tell of damage by half a dozen kinds of exceptions, SyntaxError and struct.error too.
    except Exception as error:  # noqa: BLE001
        raise Unreadable(str(error) or type(error).__name__) from None


def _decoded(data: bytes) -> Tensor:
    image: Tensor = decode_image(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB, apply_exif_orientation=True
    )
    if image.dtype != torch.uint8:
        image = v2.to_dtype(image, torch.uint8, scale=True)
    return image


def from_pil(image: Image.Image) -> Tensor:
    """A Pillow image the right way up, uint8 [3, height, width]; the first one of an animation."""
    pixels: Tensor = v2.pil_to_tensor(ImageOps.exif_transpose(image).convert("RGB"))
    return pixels


def square(image: Tensor, side: int) -> Tensor:
    """The middle square of uint8 [..., 3, height, width], scaled to `side`."""
    if image.shape[-2:] != (side, side):
        # torchvision scales the shorter side to a size given as one number.
        image = v2.center_crop(v2.resize(image, [side], antialias=True), [side, side])
    return image
