"""Opens torchvision's data sets by name, and downloads each of them once into the cache folder.

A download goes to a temporary folder that is renamed when it is complete, so that neither a lost connection nor two
runs that start at once leave an incomplete set behind.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision import datasets
from torchvision.datasets import utils as download_utils

from imgexp_tui.paths import cache_home
from imgexp_tui.training.data.decode import UnreadableImage, from_pil
from imgexp_tui.training.data.image_store import LazyImages
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.run_logger import RunLogger

_SERVER_TIMEOUT = 30.0
"""Seconds without an answer after which a download fails."""


@dataclass(frozen=True, slots=True)
class TorchvisionSet:
    """A class of `torchvision.datasets`, and its arguments for training and for validation."""

    class_name: str
    train: dict[str, Any] = field(default_factory=lambda: {"train": True})
    valid: dict[str, Any] = field(default_factory=lambda: {"train": False})


_TRAIN_TEST_SPLIT = ({"split": "train"}, {"split": "test"})
TORCHVISION_SETS: dict[str, TorchvisionSet] = {
    "imagenette": TorchvisionSet("Imagenette", {"split": "train"}, {"split": "val"}),
    "cifar10": TorchvisionSet("CIFAR10"),
    "cifar100": TorchvisionSet("CIFAR100"),
    "mnist": TorchvisionSet("MNIST"),
    "fashion_mnist": TorchvisionSet("FashionMNIST"),
    "kmnist": TorchvisionSet("KMNIST"),
    "stl10": TorchvisionSet("STL10", *_TRAIN_TEST_SPLIT),
    "food101": TorchvisionSet("Food101", *_TRAIN_TEST_SPLIT),
    "oxford_pets": TorchvisionSet("OxfordIIITPet", {"split": "trainval"}, {"split": "test"}),
    "dtd": TorchvisionSet("DTD", *_TRAIN_TEST_SPLIT),
}


@dataclass(frozen=True, slots=True)
class OpenedTorchvisionSet:
    """A set that is in the cache folder, with the class index of each image."""

    train: LazyImages
    train_labels: list[int]
    valid: LazyImages
    valid_labels: list[int]
    classes: list[str]


def open_torchvision_set(name: str, side: int, logger: RunLogger) -> OpenedTorchvisionSet:
    """The training and validation images of a set, downloaded if it is not in the cache folder yet.

    Raises:
        TrainingError: it is not in the cache and cannot be downloaded.
    """
    chosen = TORCHVISION_SETS[name]
    dataset_class = getattr(datasets, chosen.class_name)
    more: dict[str, Any] = {}
    folder = name
    if chosen.class_name == "Imagenette":
        more["size"] = "160px" if side <= 160 else "320px" if side <= 320 else "full"
        folder = f"{name}-{more['size']}"
    root = cache_home() / "datasets" / folder
    if not root.is_dir():
        _download(name, dataset_class, (chosen.train | more, chosen.valid | more), root, logger)
    try:
        train, valid = (dataset_class(root, **(which | more)) for which in (chosen.train, chosen.valid))
    except (RuntimeError, OSError) as error:
        raise TrainingError(
            f"data: {name} in {root} is damaged ({error}); remove that folder to load it anew"
        ) from None
    labels = _labels(train), _labels(valid)
    return OpenedTorchvisionSet(
        _lazy_images(train, labels[0], name, side),
        labels[0],
        _lazy_images(valid, labels[1], name, side),
        labels[1],
        _class_names(train, labels[0]),
    )


def _download(
    name: str, dataset_class: Any, split_arguments: tuple[dict[str, Any], ...], root: Path, logger: RunLogger
) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    logger.log_line(f"downloading {name} to {root}")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SERVER_TIMEOUT)
    try:
        with _download_progress(name, logger):
            for which in split_arguments:
                dataset_class(temporary, download=True, **which)
        with contextlib.suppress(OSError):
            temporary.rename(root)  # another run may have been first
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"data: {name} is not in {root} and cannot be downloaded ({error}); "
            f'connect to a network, put its files there, or take data = "shapes"'
        ) from None
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _download_progress(name: str, logger: RunLogger) -> Iterator[None]:
    """Turn torchvision's progress bar into progress events while this lasts: torchvision has no other hook."""

    class TorchvisionProgressBar:
        def __init__(self, *_args: Any, total: int | None = None, **_more: Any) -> None:
            self._done, self._total = 0, total

        def __enter__(self) -> TorchvisionProgressBar:
            return self

        def __exit__(self, *_exception: object) -> None:
            pass

        def update(self, amount: int = 1) -> None:
            self._done += amount
            logger.log_progress(f"downloading {name}", self._done, self._total, "bytes")

    before = download_utils.tqdm
    download_utils.tqdm = TorchvisionProgressBar
    try:
        yield
    finally:
        download_utils.tqdm = before


def _labels(dataset: Any) -> list[int]:
    for name in ("targets", "labels", "_labels"):
        if hasattr(dataset, name):
            return [int(label) for label in getattr(dataset, name)]
    return [int(label) for _path, label in dataset._samples]


def _class_names(dataset: Any, labels: list[int]) -> list[str]:
    names = getattr(dataset, "classes", None) or [str(i) for i in range(max(labels) + 1)]
    return [name if isinstance(name, str) else name[0] for name in names]


def _lazy_images(dataset: Any, labels: list[int], name: str, side: int) -> LazyImages:
    return LazyImages(_DatasetImageReader(dataset, side), [f"{name}[{i}]" for i in range(len(labels))], labels, side)


class _DatasetImageReader:
    """Reads the image at an index; can be sent to a worker process."""

    def __init__(self, dataset: Any, side: int) -> None:
        self._dataset, self._side = dataset, side

    def __call__(self, index: int) -> Tensor:
        try:
            return from_pil(self._dataset[index][0], self._side)
        except Exception as error:  # noqa: BLE001  # Pillow raises many kinds for damage
            raise UnreadableImage(str(error) or type(error).__name__) from None
