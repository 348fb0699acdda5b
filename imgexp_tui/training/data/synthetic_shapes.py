"""Generates `shapes`, the data set that needs no download: ten textured shapes on textured ground.

Every image has two textures (stripes, checks, spots or clouds) in its own colours, light from one side, and grain, so
that two patches of one image resemble each other as in a photograph. The inside of a shape is where its signed
distance is negative; the formulas follow Inigo Quilez, "2D distance functions"
(iquilezles.org/articles/distfunctions2d). Image i has class `i % 10`, so that one array is the whole set.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgexp_tui import durable
from imgexp_tui.paths import cache_home
from imgexp_tui.training.run_logger import RunLogger

IMAGE_SIDE = 96
TRAIN_COUNT, VALID_COUNT = 2000, 500
_SEED = 20190512
_REVISION = 1
"""Part of the cache file's name: increase it when the images change."""
_CHUNK = 100


def _disk(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.9


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.72).abs() - 0.2


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.8


def _polygon(corners: int) -> Callable[[Tensor, Tensor], Tensor]:
    def distance(x: Tensor, y: Tensor) -> Tensor:
        sector = 2 * math.pi / corners
        angle = torch.atan2(x, y)
        folded = angle - sector * torch.round(angle / sector)
        return torch.hypot(x, y) * torch.cos(folded) - math.cos(sector / 2)

    return distance


def _star(x: Tensor, y: Tensor) -> Tensor:
    spike = torch.cos(5 * torch.atan2(x, y))
    return torch.hypot(x, y) - (0.68 + 0.32 * spike)


def _cross(x: Tensor, y: Tensor) -> Tensor:
    long, short = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    return torch.maximum(long - 0.95, short - 0.3)


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 0.95, 0.75 - torch.hypot(x - 0.45, y))


def _heart(x: Tensor, y: Tensor) -> Tensor:
    # The sign of the sextic (x² + y² - 1)³ - x² y³.
    x, y = x * 1.2, 1.2 * y + 0.1
    return torch.sign((x * x + y * y - 1) ** 3 - x * x * y**3) * 0.1


def _half_disk(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 1, y - 0.1)


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "disk": _disk,
    "ring": _ring,
    "square": _square,
    "triangle": _polygon(3),
    "hexagon": _polygon(6),
    "star": _star,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "half disk": _half_disk,
}


def load_shapes(logger: RunLogger) -> Tensor:
    """The whole set, uint8 [2500, 3, 96, 96]; image i shows shape `i % 10`; the last 500 are for validation.

    It is generated once and stored in the cache folder; a run that cannot write there generates it again.
    """
    path = cache_home() / "shapes" / f"shapes-{_REVISION}.npy"
    images = _read_cache(path)
    if images is None:
        images = generate_shapes(TRAIN_COUNT + VALID_COUNT, IMAGE_SIDE, logger)
        _write_cache(path, images, logger)
    return images


def _read_cache(path: Path) -> Tensor | None:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    valid = array.shape == (TRAIN_COUNT + VALID_COUNT, 3, IMAGE_SIDE, IMAGE_SIDE) and array.dtype == np.uint8
    return torch.from_numpy(array) if valid else None


def _write_cache(path: Path, images: Tensor, logger: RunLogger) -> None:
    buffer = io.BytesIO()
    np.save(buffer, images.numpy())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, buffer.getvalue())
    except OSError as error:
        logger.log_warning(
            f"the generated shapes cannot be kept in {path.parent} ({error.strerror}); they are made anew"
        )


def generate_shapes(count: int, side: int, logger: RunLogger) -> Tensor:
    """The first `count` images, uint8 [count, 3, side, side]; the same on every call."""
    chunks = []
    for start in range(0, count, _CHUNK):
        numbers = torch.arange(start, min(start + _CHUNK, count))
        random = torch.Generator().manual_seed(_SEED + start)
        chunks.append(_draw_images(numbers % len(SHAPES), side, random))
        logger.log_progress("making the shapes", int(numbers[-1]) + 1, count, "images")
    return torch.cat(chunks)


def _draw_images(classes: Tensor, side: int, random: torch.Generator) -> Tensor:
    """An image of each class in `classes`, uint8 [n, 3, side, side]."""
    n = len(classes)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=random)

    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    # Both textures share an average colour, so that shape and ground of one image are related.
    tone = uniform(0.2, 0.8, 3, 1, 1)
    ground = _texture(x, y, tone, uniform, random)
    figure = _texture(x, y, tone + uniform(-0.35, 0.35, 3, 1, 1), uniform, random)
    inside = _masks(classes, x, y, uniform)
    light = 1 + uniform(-0.25, 0.25, 1, 1, 1) * x + uniform(-0.25, 0.25, 1, 1, 1) * y
    picture = torch.lerp(ground, figure, inside) * light
    picture = picture + 0.03 * torch.randn(n, 3, side, side, generator=random)
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


def _masks(classes: Tensor, x: Tensor, y: Tensor, uniform: Callable[..., Tensor]) -> Tensor:
    """How much of each pixel is inside of its image's shape, 0 to 1, [n, 1, side, side]."""
    angle, size = uniform(-0.5, 0.5, 1, 1), uniform(0.4, 0.75, 1, 1)
    dx, dy = x - uniform(-0.3, 0.3, 1, 1), y - uniform(-0.3, 0.3, 1, 1)
    turned_x = (dx * torch.cos(angle) + dy * torch.sin(angle)) / size
    turned_y = (dy * torch.cos(angle) - dx * torch.sin(angle)) / size
    distance = torch.empty_like(turned_x)
    for i, shape in enumerate(SHAPES.values()):
        in_class = classes == i
        # Image rows go down, the formulas' y goes up.
        distance[in_class] = shape(turned_x[in_class], -turned_y[in_class])
    pixel = 2 / x.shape[-1]
    return (0.5 - distance * size / pixel).clamp(0, 1).unsqueeze(1)


def _texture(x: Tensor, y: Tensor, tone: Tensor, uniform: Callable[..., Tensor], random: torch.Generator) -> Tensor:
    """A two-coloured pattern around the colour `tone` [n, 3, 1, 1] for each image, [n, 3, side, side]."""
    n, side = len(tone), x.shape[-1]
    angle, pitch = uniform(0, math.pi, 1, 1), uniform(6, 30, 1, 1)
    along = torch.sin(pitch * (x * torch.cos(angle) + y * torch.sin(angle)) + uniform(0, 6.3, 1, 1))
    across = torch.sin(pitch * (y * torch.cos(angle) - x * torch.sin(angle)) + uniform(0, 6.3, 1, 1))
    grid = torch.rand(n, 1, 12, 12, generator=random)
    clouds = F.interpolate(grid, (side, side), mode="bicubic")[:, 0] * 2 - 1
    patterns = torch.stack([along, torch.sign(along * across), along * across, clouds])
    kind = torch.randint(len(patterns), (n,), generator=random)
    pattern = patterns[kind, torch.arange(n)].unsqueeze(1)
    return tone + pattern * uniform(-0.25, 0.25, 3, 1, 1)
