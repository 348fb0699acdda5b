"""torchvision's data sets by name, downloaded once into the cache folder.

A download goes to a folder of its own that is renamed when it is whole, so that neither a lost network nor two
runs that start at once leave half a set behind.
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
from imgexp_tui.training.data.decode import Unreadable, from_pil
from imgexp_tui.training.data.image_store import DecodedImages
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.run_logger import Report

_TIMEOUT = 30.0
"""Seconds without an answer after which a server counts as out of reach."""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A class of `torchvision.datasets`, and what tells its two sides apart."""

    kind: str
    train: dict[str, Any] = field(default_factory=lambda: {"train": True})
    valid: dict[str, Any] = field(default_factory=lambda: {"train": False})


_SPLIT = ({"split": "train"}, {"split": "test"})
NAMED: dict[str, NamedSet] = {
    "imagenette": NamedSet("Imagenette", {"split": "train"}, {"split": "val"}),
    "cifar10": NamedSet("CIFAR10"),
    "cifar100": NamedSet("CIFAR100"),
    "mnist": NamedSet("MNIST"),
    "fashion_mnist": NamedSet("FashionMNIST"),
    "kmnist": NamedSet("KMNIST"),
    "stl10": NamedSet("STL10", *_SPLIT),
    "food101": NamedSet("Food101", *_SPLIT),
    "oxford_pets": NamedSet("OxfordIIITPet", {"split": "trainval"}, {"split": "test"}),
    "dtd": NamedSet("DTD", *_SPLIT),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A named set that is there."""

    train: DecodedImages
    train_labels: list[int]
    valid: DecodedImages
    valid_labels: list[int]
    classes: list[str]


def open_named(name: str, side: int, report: Report) -> Opened:
    """Both sides of a named set, downloaded where the cache folder does not hold it yet.

    Raises:
        TrainingError: it is not in the cache and cannot be downloaded.
    """
    chosen = NAMED[name]
    kind = getattr(datasets, chosen.kind)
    more: dict[str, Any] = {}
    folder = name
    if chosen.kind == "Imagenette":
        more["size"] = "160px" if side <= 160 else "320px" if side <= 320 else "full"
        folder = f"{name}-{more['size']}"
    root = cache_home() / "datasets" / folder
    if not root.is_dir():
        _download(name, kind, (chosen.train | more, chosen.valid | more), root, report)
    try:
        train, valid = (kind(root, **(which | more)) for which in (chosen.train, chosen.valid))
    except (RuntimeError, OSError) as error:
        raise TrainingError(
            f"data: {name} in {root} is damaged ({error}); remove that folder to load it anew"
        ) from None
    labels = _labels(train), _labels(valid)
    return Opened(
        _images(train, labels[0], name, side),
        labels[0],
        _images(valid, labels[1], name, side),
        labels[1],
        _classes(train, labels[0]),
    )


def _download(name: str, kind: Any, sides: tuple[dict[str, Any], ...], root: Path, report: Report) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    report.line(f"downloading {name} to {root}")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with _counted(name, report):
            for which in sides:
                kind(temporary, download=True, **which)
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
def _counted(name: str, report: Report) -> Iterator[None]:
    """torchvision's progress bar as progress events: it has no other hook."""

    class Bar:
        def __init__(self, *_args: Any, total: int | None = None, **_more: Any) -> None:
            self._done, self._total = 0, total

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_exception: object) -> None:
            pass

        def update(self, amount: int = 1) -> None:
            self._done += amount
            report.progress(f"downloading {name}", self._done, self._total, "bytes")

    before = download_utils.tqdm
    download_utils.tqdm = Bar
    try:
        yield
    finally:
        download_utils.tqdm = before


def _labels(dataset: Any) -> list[int]:
    for name in ("targets", "labels", "_labels"):
        if hasattr(dataset, name):
            return [int(label) for label in getattr(dataset, name)]
    return [int(label) for _path, label in dataset._samples]


def _classes(dataset: Any, labels: list[int]) -> list[str]:
    found = getattr(dataset, "classes", None) or [str(i) for i in range(max(labels) + 1)]
    return [c if isinstance(c, str) else c[0] for c in found]


def _images(dataset: Any, labels: list[int], name: str, side: int) -> DecodedImages:
    return DecodedImages(_Reader(dataset, side), [f"{name}[{i}]" for i in range(len(labels))], labels, side)


class _Reader:
    """A function of an index that can be sent to a worker process."""

    def __init__(self, dataset: Any, side: int) -> None:
        self._dataset, self._side = dataset, side

    def __call__(self, index: int) -> Tensor:
        try:
            return from_pil(self._dataset[index][0], self._side)
        except Exception as error:  # noqa: BLE001  # Pillow tells of damage by many kinds of exceptions
            raise Unreadable(str(error) or type(error).__name__) from None
