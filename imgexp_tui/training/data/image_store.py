"""Stores images by index, all of one size: in memory, or decoded at each access.

In memory they are one uint8 array, so that a batch takes one indexing operation and decoding does not limit the speed
of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

from imgexp_tui.training.data.decode import UnreadableImage, decode_image, resize_to_square
from imgexp_tui.training.data.image_files import FileSource
from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.hardware import cpu_limits
from imgexp_tui.training.run_logger import RunLogger

_CHUNK = 256
_MAX_MEMORY_FRACTION = 0.5


class ImageSet(Protocol):
    """A set of images of `side` x `side` pixels."""

    side: int

    def __len__(self) -> int: ...

    def pixels(self, indices: Sequence[int]) -> tuple[Tensor, list[str]]:
        """The images, uint8 [len(indices), 3, side, side], and a sentence for each unreadable one."""
        ...


class ArrayImages:
    """Images in memory, uint8 [count, 3, side, side]."""

    def __init__(self, array: Tensor) -> None:
        self._array = array
        self.side = array.shape[-1]

    def __len__(self) -> int:
        return len(self._array)

    def pixels(self, indices: Sequence[int]) -> tuple[Tensor, list[str]]:
        return self._array[torch.as_tensor(indices)], []


class LazyImages:
    """Images that are read at each access.

    An unreadable image is replaced by the next one of the same class, so that steps and samples stay as planned.
    """

    def __init__(self, read: Callable[[int], Tensor], names: Sequence[str], labels: Sequence[int], side: int) -> None:
        self._read, self._names, self._labels = read, names, labels
        self._indices: Sequence[int] = range(len(names))
        self.side = side

    def __len__(self) -> int:
        return len(self._indices)

    def subset(self, indices: Sequence[int]) -> LazyImages:
        """The images at `indices`, in that order."""
        chosen = LazyImages(self._read, self._names, self._labels, self.side)
        chosen._indices = [self._indices[i] for i in indices]
        return chosen

    def pixels(self, indices: Sequence[int]) -> tuple[Tensor, list[str]]:
        read_errors: list[str] = []
        return torch.stack([self._image_or_substitute(int(i), read_errors) for i in indices]), read_errors

    def read_image(self, index: int) -> Tensor:
        """One image, uint8 [3, side, side]. Raises UnreadableImage, with a sentence that names the file."""
        number = self._indices[index]
        try:
            return self._read(number)
        except (UnreadableImage, OSError) as error:
            raise UnreadableImage(
                f"{self._names[number]} is skipped: it cannot be read as an image ({error})"
            ) from None

    def _image_or_substitute(self, index: int, read_errors: list[str]) -> Tensor:
        label = self._labels[self._indices[index]]
        for j in (*range(index, len(self)), *range(index)):
            if self._labels[self._indices[j]] != label:
                continue
            try:
                return self.read_image(j)
            except UnreadableImage as error:
                read_errors.append(str(error))
        return torch.zeros(3, self.side, self.side, dtype=torch.uint8)


def images_from_files(files: FileSource, names: Sequence[str], labels: Sequence[int], side: int) -> LazyImages:
    """The image files at `names`, decoded at each access."""
    return LazyImages(_FileReader(files, names, side), names, labels, side)


class _FileReader:
    """A function of an index that can be sent to a worker process."""

    def __init__(self, files: FileSource, names: Sequence[str], side: int) -> None:
        self._files, self._names, self._side = files, names, side

    def __call__(self, index: int) -> Tensor:
        return decode_image(self._files.read(self._names[index]), self._side)


def resize_images(array: Tensor, side: int) -> ArrayImages:
    """Images in memory, scaled from uint8 [count, 3, height, width] in chunks."""
    if array.shape[-2:] == (side, side):
        return ArrayImages(array)
    return ArrayImages(torch.cat([resize_to_square(part, side) for part in torch.split(array, _CHUNK)]))


def fits_in_memory(count: int, side: int) -> bool:
    """Whether `count` images take at most half of the free memory."""
    return count * 3 * side * side <= _MAX_MEMORY_FRACTION * cpu_limits.free_memory()


def load_into_memory(
    images: LazyImages, split_name: str, logger: RunLogger, group: RankGroup = SINGLE_PROCESS
) -> tuple[ArrayImages, list[int]]:
    """Decode all of `images` once, with progress events. Several processes share the work; each gets all images.

    Returns:
        The images that can be read, and their indices in `images`. The others are reported, one warning each.
    """
    array = torch.empty(len(images), 3, images.side, images.side, dtype=torch.uint8)
    readable: list[int] = []

    def load(index: int) -> Tensor | str:
        try:
            return images.read_image(index)
        except UnreadableImage as error:
            return str(error)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for start in range(0, len(images), _CHUNK):
            numbers = range(start, min(start + _CHUNK, len(images)))
            for index, image in zip(
                numbers, group.map_over_ranks(numbers, lambda own: list(pool.map(load, own))), strict=True
            ):
                if isinstance(image, str):
                    logger.log_warning(image)
                else:
                    array[len(readable)] = image
                    readable.append(index)
            logger.log_progress(f"reading {split_name} images", numbers.stop, len(images), "images")
    return ArrayImages(array[: len(readable)]), readable
