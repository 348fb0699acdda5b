"""Draws small pictures as terminal cells: two pixels a cell, one above the other (▀), or shades without colours."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

_SHADES = " .:-=+*#%@"
"""From dark to light, on a dark background."""


def scale_image(pixels: bytes, side: int, target_side: int) -> bytes:
    """Returns a square RGB picture scaled to `target_side` pixels a side; each pixel is the mean of those it covers.

    Args:
        pixels: 3 bytes a pixel, row by row, `side` pixels a row.
    """
    if target_side == side:
        return pixels
    edges = [i * side // target_side for i in range(target_side)] + [side]
    out = bytearray()
    for y in range(target_side):
        rows = range(edges[y], max(edges[y] + 1, edges[y + 1]))
        for x in range(target_side):
            left, right = edges[x], max(edges[x] + 1, edges[x + 1])
            count = len(rows) * (right - left)
            for channel in range(3):
                total = sum(
                    sum(pixels[(row * side + left) * 3 + channel : (row * side + right) * 3 : 3]) for row in rows
                )
                out.append(total // count)
    return bytes(out)


def render_image(
    pixels: bytes, side: int, width: int, *, colours: bool, dark_background: bool = True
) -> list[list[Segment]]:
    """Returns a square RGB picture as `width // 2` rows of `width` cells; `width` is even."""
    small = scale_image(pixels, side, width)
    return [
        _row_segments(small, width, y, colours=colours, dark_background=dark_background) for y in range(0, width, 2)
    ]


def _row_segments(pixels: bytes, width: int, y: int, *, colours: bool, dark_background: bool) -> list[Segment]:
    upper, lower = (pixels[row * width * 3 : (row + 1) * width * 3] for row in (y, y + 1))
    if not colours:
        return [
            Segment(
                "".join(_shade(upper[x : x + 3] + lower[x : x + 3], dark_background) for x in range(0, 3 * width, 3))
            )
        ]
    return [Segment("▀", _pixel_style(upper[x : x + 3], lower[x : x + 3])) for x in range(0, 3 * width, 3)]


def _shade(pixels: bytes, dark_background: bool) -> str:
    """Returns the character for the mean brightness (ITU-R BT.601 luma) of two pixels."""
    luma = sum(w * v for w, v in zip((299, 587, 114) * 2, pixels, strict=True)) / 2000
    return _SHADES[min(len(_SHADES) - 1, int((luma if dark_background else 255 - luma) * len(_SHADES) / 256))]


@lru_cache(8192)
def _pixel_style(upper: bytes, lower: bytes) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
