"""Opens the data set that the setting `data` names: shapes, a torchvision set, or the user's folder or zip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.training.config import Config
from imgexp_tui.training.data import image_store, torchvision_sets
from imgexp_tui.training.data import synthetic_shapes as shape_set
from imgexp_tui.training.data.image_files import find_image_names, open_files
from imgexp_tui.training.data.image_store import ImageSet, LazyImages
from imgexp_tui.training.data.splits import split_files
from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.rng import RngPurpose, make_generator
from imgexp_tui.training.run_logger import RunLogger


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """The images for training or for validation, with their classes as int64 [len(images)]."""

    images: ImageSet
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class TrainValidImages:
    """The images for training and for validation. `classes` is empty if the images have no labels."""

    train: LabelledImages
    valid: LabelledImages
    classes: list[str]


def open_data(config: Config, logger: RunLogger, group: RankGroup = SINGLE_PROCESS) -> TrainValidImages:
    """The images that `config.data` names, at `config.image_size`, in memory if the settings say so and they fit.

    All processes of a run get the same images: the first one lists the files, or downloads them, for all.

    Raises:
        TrainingError: there are no such data, or too few images.
    """
    if config.data == "shapes":
        data = _open_shapes(config, logger, group)
    elif config.data in torchvision_sets.TORCHVISION_SETS:
        data = _open_torchvision(config, logger, group)
    else:
        data = _open_user_images(config, logger, group)
    for images, what in ((data.train, "training"), (data.valid, "validation")):
        if len(images) < 2:
            raise TrainingError(f"data: {config.data} has {len(images)} readable {what} images; at least 2 are needed")
    return data


def used_settings(config: Config) -> frozenset[str]:
    """The names of the settings that decide which images there are and whether they stay in memory."""
    names = {"data", "image_size", "train_samples", "valid_samples"}
    if config.data != "shapes":
        names.add("cache_images")
        if config.data not in torchvision_sets.TORCHVISION_SETS:
            names.add("valid_fraction")
    return frozenset(names)


def _open_shapes(config: Config, logger: RunLogger, group: RankGroup) -> TrainValidImages:
    array = group.run_first_rank_first(lambda: shape_set.load_shapes(logger))
    labels = torch.arange(len(array)) % len(shape_set.SHAPES)
    splits = []
    for first, last, limit in (
        (0, shape_set.TRAIN_COUNT, config.train_samples),
        (shape_set.TRAIN_COUNT, len(array), config.valid_samples),
    ):
        chosen = first + torch.as_tensor(_subset_indices(last - first, limit))
        splits.append(LabelledImages(image_store.resize_images(array[chosen], config.image_size), labels[chosen]))
    return TrainValidImages(splits[0], splits[1], list(shape_set.SHAPES))


def _open_torchvision(config: Config, logger: RunLogger, group: RankGroup) -> TrainValidImages:
    data = group.run_first_rank_first(
        lambda: torchvision_sets.open_torchvision_set(config.data, config.image_size, logger)
    )
    return TrainValidImages(
        _labelled_images(data.train, data.train_labels, config.train_samples, "training", config, logger, group),
        _labelled_images(data.valid, data.valid_labels, config.valid_samples, "validation", config, logger, group),
        data.classes,
    )


def _open_user_images(config: Config, logger: RunLogger, group: RankGroup) -> TrainValidImages:
    path = Path(config.data).expanduser()
    if not path.exists():
        near = closest_name(config.data, ["shapes", *torchvision_sets.TORCHVISION_SETS])
        hint = (
            f"did you mean {near}?"
            if near
            else f"known names are shapes, {', '.join(torchvision_sets.TORCHVISION_SETS)}"
        )
        raise TrainingError(f"data: there is no file or folder {config.data}, and no set of that name; {hint}")
    files = open_files(path)
    names = group.broadcast_from_first(lambda: find_image_names(files, logger))
    if len(names) < 2:
        raise TrainingError(f"data: {path} holds {len(names)} image files; at least 2 are needed")
    split = split_files(names, config.valid_fraction)
    train, valid = (
        _labelled_images(
            image_store.images_from_files(files, s.names, s.labels, config.image_size),
            s.labels,
            limit,
            what,
            config,
            logger,
            group,
        )
        for s, limit, what in (
            (split.train, config.train_samples, "training"),
            (split.valid, config.valid_samples, "validation"),
        )
    )
    return TrainValidImages(train, valid, split.classes)


def _labelled_images(
    decoded: LazyImages,
    labels: Sequence[int],
    limit: int,
    split_name: str,
    config: Config,
    logger: RunLogger,
    group: RankGroup,
) -> LabelledImages:
    chosen = _subset_indices(len(decoded), limit)
    decoded, chosen_labels = decoded.subset(chosen), torch.as_tensor(labels, dtype=torch.int64)[chosen]
    if not config.cache_images:
        return LabelledImages(decoded, chosen_labels)
    if not group.all_true(image_store.fits_in_memory(len(decoded) * group.size, decoded.side)):
        logger.log_warning(
            f"{len(decoded):,} {split_name} images do not fit in memory; each is read again at every visit"
        )
        return LabelledImages(decoded, chosen_labels)
    array, readable = image_store.load_into_memory(decoded, split_name, logger, group)
    return LabelledImages(array, chosen_labels[readable])


def _subset_indices(count: int, limit: int) -> list[int]:
    """Indices below `count`: all, or `limit` of them, the same ones for every seed so that versions stay comparable."""
    if not 0 < limit < count:
        return list(range(count))
    return sorted(make_generator(0, RngPurpose.SUBSET).permutation(count)[:limit].tolist())
