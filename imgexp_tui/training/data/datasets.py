"""From the setting `data` to two sets of images: shapes, a named set, or the user's folder or zip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imgexp_tui.notebook.schema.settings import nearest
from imgexp_tui.training.config import Config
from imgexp_tui.training.data import image_store, torchvision_sets
from imgexp_tui.training.data import synthetic_shapes as shape_set
from imgexp_tui.training.data.image_files import image_names, open_files
from imgexp_tui.training.data.image_store import DecodedImages, Images
from imgexp_tui.training.data.splits import split
from imgexp_tui.training.distributed.group import ALONE, Group
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.rng import Purpose, stream
from imgexp_tui.training.run_logger import Report


@dataclass(frozen=True, slots=True)
class Side:
    """Images for training, or for validation, with their classes as int64 [len(images)]."""

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class Data:
    """Both sides. `classes` is empty where the images carry no labels."""

    train: Side
    valid: Side
    classes: list[str]


def open_data(config: Config, report: Report, group: Group = ALONE) -> Data:
    """The images that `config.data` names, at `config.image_size`, read into memory where that is asked and fits.

    All processes of a run have the same: what is looked up or downloaded, the first one looks up for all.

    Raises:
        TrainingError: there is no such data, or not enough of it.
    """
    if config.data == "shapes":
        data = _shapes(config, report, group)
    elif config.data in torchvision_sets.NAMED:
        data = _named(config, report, group)
    else:
        data = _files(config, report, group)
    for side, what in ((data.train, "training"), (data.valid, "validation")):
        if len(side) < 2:
            raise TrainingError(f"data: {config.data} has {len(side)} readable {what} images; at least 2 are needed")
    return data


def _shapes(config: Config, report: Report, group: Group) -> Data:
    array = group.in_turn(lambda: shape_set.shapes(report))
    labels = torch.arange(len(array)) % len(shape_set.SHAPES)
    sides = []
    for first, last, most in (
        (0, shape_set.TRAIN, config.train_samples),
        (shape_set.TRAIN, len(array), config.valid_samples),
    ):
        chosen = first + torch.as_tensor(_some(last - first, most))
        sides.append(Side(image_store.resized(array[chosen], config.image_size), labels[chosen]))
    return Data(sides[0], sides[1], list(shape_set.SHAPES))


def _named(config: Config, report: Report, group: Group) -> Data:
    found = group.in_turn(lambda: torchvision_sets.open_named(config.data, config.image_size, report))
    return Data(
        _side(found.train, found.train_labels, config.train_samples, "training", config, report, group),
        _side(found.valid, found.valid_labels, config.valid_samples, "validation", config, report, group),
        found.classes,
    )


def _files(config: Config, report: Report, group: Group) -> Data:
    path = Path(config.data).expanduser()
    if not path.exists():
        near = nearest(config.data, ["shapes", *torchvision_sets.NAMED])
        hint = f"did you mean {near}?" if near else f"known names are shapes, {', '.join(torchvision_sets.NAMED)}"
        raise TrainingError(f"data: there is no file or folder {config.data}, and no set of that name; {hint}")
    files = open_files(path)
    names = group.from_first(lambda: image_names(files, report))
    if len(names) < 2:
        raise TrainingError(f"data: {path} holds {len(names)} image files; at least 2 are needed")
    found = split(names, config.valid_fraction)
    train, valid = (
        _side(
            image_store.from_files(files, s.names, s.labels, config.image_size),
            s.labels,
            most,
            what,
            config,
            report,
            group,
        )
        for s, most, what in (
            (found.train, config.train_samples, "training"),
            (found.valid, config.valid_samples, "validation"),
        )
    )
    return Data(train, valid, found.classes)


def _side(
    decoded: DecodedImages,
    labels: Sequence[int],
    most: int,
    what: str,
    config: Config,
    report: Report,
    group: Group,
) -> Side:
    chosen = _some(len(decoded), most)
    decoded, wanted = decoded.subset(chosen), torch.as_tensor(labels, dtype=torch.int64)[chosen]
    if not config.cache_images:
        return Side(decoded, wanted)
    if not group.every(image_store.fits_in_memory(len(decoded) * group.size, decoded.side)):
        report.warn(f"{len(decoded):,} {what} images do not fit in memory; each is read again at every visit")
        return Side(decoded, wanted)
    array, kept = image_store.cached(decoded, what, report, group)
    return Side(array, wanted[kept])


def _some(count: int, most: int) -> list[int]:
    """Indices below `count`: all, or `most` of them, the same for every seed so that versions stay comparable."""
    if not 0 < most < count:
        return list(range(count))
    return sorted(stream(0, Purpose.SUBSET).permutation(count)[:most].tolist())
