"""Augmentation and examples of the patchwork task: a square patch is pasted into an image, flipped or with noise.

The target is whether the patch comes from the same image. All random choices of an epoch are drawn at once, a row for
each image, so that an example depends on the seed, the epoch and the image's index only. A batch is then pasted with
two indexing operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imgexp_tui.training.data.image_store import ImageSet
from imgexp_tui.training.data.loader import Batch
from imgexp_tui.training.rng import RngPurpose, make_generator


@dataclass(frozen=True, slots=True)
class TransformProbabilities:
    """The probability of each transform of the patch, and the noise's standard deviation (pixel range 0 to 1)."""

    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    noise: float = 0.0
    noise_std: float = 0.05


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """One epoch's patches; every array has a row for each image.

    Attributes:
        same: whether the patch comes from the image itself; true for half of them.
        donor: index of the image that it comes from.
        source, target: its top and left corner where it is cut out and where it is pasted, [n, 2].
        flip_horizontal, flip_vertical, noise: whether the transform is applied.
        noise_seed: seeds of the noise.
    """

    same: NDArray[np.bool_]
    donor: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    flip_horizontal: NDArray[np.bool_]
    flip_vertical: NDArray[np.bool_]
    noise: NDArray[np.bool_]
    noise_seed: NDArray[np.int64]


def plan_patches(
    count: int, positions: int, probabilities: TransformProbabilities, generator: np.random.Generator
) -> PatchPlan:
    """Patches for `count` images, at least 2; their corners have `positions` possible values in each direction."""
    same = generator.permutation(count) % 2 == 0
    own_image = np.arange(count)
    # Any image but this one: add 1 to count - 1, modulo count.
    another = (own_image + generator.integers(1, count, count)) % count
    return PatchPlan(
        same=same,
        donor=np.where(same, own_image, another),
        source=generator.integers(0, positions, (count, 2)),
        target=generator.integers(0, positions, (count, 2)),
        flip_horizontal=generator.random(count) < probabilities.flip_horizontal,
        flip_vertical=generator.random(count) < probabilities.flip_vertical,
        noise=generator.random(count) < probabilities.noise,
        noise_seed=generator.integers(0, 2**62, count),
    )


class PatchworkExamples:
    """Images with patches. In training the patches differ in every epoch; in validation they depend on the seed only,
    and no transform is applied."""

    def __init__(
        self, images: ImageSet, patch_size: float, probabilities: TransformProbabilities, seed: int, training: bool
    ) -> None:
        self._images = images
        self._patch_side = min(max(round(images.side * patch_size), 1), images.side - 1)
        self._probabilities = probabilities if training else TransformProbabilities()
        self._seed, self._training = seed, training
        self._cached_plan: tuple[int, PatchPlan] | None = None

    def __len__(self) -> int:
        return len(self._images)

    @property
    def transforms(self) -> tuple[str, ...]:
        """The transforms of the patch whose probability is not 0."""
        names = ("flip_horizontal", "flip_vertical", "noise")
        return tuple(f"patch_{name}" for name in names if getattr(self._probabilities, name) > 0)

    def batch(self, indices: Sequence[int], epoch: int) -> Batch:
        """Inputs, and targets [n, 1]: 1 if the patch is from the same image."""
        plan, chosen = self.epoch_plan(epoch), np.asarray(indices)
        images, read_errors = self._images.pixels(chosen.tolist())
        donors, other = images, ~plan.same[chosen]
        if other.any():
            donors = images.clone()
            donors[torch.from_numpy(other)], more = self._images.pixels(plan.donor[chosen[other]].tolist())
            read_errors += more
        patches = _window_index(donors, plan.source[chosen], self._patch_side)
        pixels = self._transform(donors[patches], plan, chosen)
        images[_window_index(images, plan.target[chosen], self._patch_side)] = pixels
        return Batch(images, torch.from_numpy(plan.same[chosen]).float().unsqueeze(1), read_errors)

    def epoch_plan(self, epoch: int) -> PatchPlan:
        """The patches of `epoch`, counted from 0."""
        epoch = epoch if self._training else 0
        if self._cached_plan is None or self._cached_plan[0] != epoch:
            purpose = RngPurpose.TRAIN_PATCHES if self._training else RngPurpose.VALID_PATCHES
            positions = self._images.side - self._patch_side + 1
            self._cached_plan = (
                epoch,
                plan_patches(len(self), positions, self._probabilities, make_generator(self._seed, purpose, epoch)),
            )
        return self._cached_plan[1]

    def _transform(self, patches: Tensor, patch_plan: PatchPlan, chosen: NDArray[np.int64]) -> Tensor:
        for is_flipped, axis in ((patch_plan.flip_horizontal, -1), (patch_plan.flip_vertical, -2)):
            mirrored = torch.from_numpy(is_flipped[chosen])
            patches[mirrored] = patches[mirrored].flip(axis)
        for row in np.flatnonzero(patch_plan.noise[chosen]):
            random = torch.Generator().manual_seed(int(patch_plan.noise_seed[chosen[row]]))
            noise = torch.randn(patches.shape[1:], generator=random) * (255 * self._probabilities.noise_std)
            patches[row] = (patches[row] + noise).round().clamp(0, 255).to(torch.uint8)
        return patches


def _window_index(images: Tensor, corners: NDArray[np.int64], side: int) -> tuple[Tensor, ...]:
    """An index into [n, 3, height, width] for a `side` x `side` window of each image, at `corners` [n, 2]."""
    top, left = torch.from_numpy(corners).T
    along = torch.arange(side)
    return (
        torch.arange(len(images))[:, None, None, None],
        torch.arange(images.shape[1])[None, :, None, None],
        (top[:, None] + along)[:, None, :, None],
        (left[:, None] + along)[:, None, None, :],
    )
