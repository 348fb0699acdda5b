"""The patchwork task's examples: patches, targets and transforms."""

from __future__ import annotations

import torch

from imgexp_tui.training.data.image_store import ImageSet
from imgexp_tui.training.data.patchwork import PatchworkExamples, TransformProbabilities


class Colours:
    """Images of one colour each, so that a patch tells where it comes from."""

    side = 16

    def __len__(self) -> int:
        return 40

    def pixels(self, indices: list[int]) -> tuple[torch.Tensor, list[str]]:
        plain = torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1) * 6
        return plain.expand(-1, 3, self.side, self.side).clone(), []


def examples(training: bool, chances: TransformProbabilities | None = None, seed: int = 0) -> PatchworkExamples:
    chances = chances or TransformProbabilities()
    colours: ImageSet = Colours()  # type: ignore[assignment]
    return PatchworkExamples(colours, 0.5, chances, seed, training)


def test_a_patch_is_of_the_same_image_for_half_of_them_and_the_label_says_so() -> None:
    batch = examples(training=True).batch(list(range(40)), 0)
    same = torch.tensor([len(image.unique()) == 1 for image in batch.inputs])
    assert same.sum() == 20
    assert torch.equal(batch.targets.flatten().bool(), same)
    for image in batch.inputs[~same]:
        colours, counts = image[0].unique(return_counts=True)
        assert sorted(counts.tolist()) == [64, 192], "an 8 × 8 patch in a 16 × 16 image"
        assert len(colours) == 2


def test_patches_are_fresh_at_every_visit_in_training_and_fixed_in_validation() -> None:
    training, validation = examples(training=True), examples(training=False)
    everything = list(range(40))
    assert not torch.equal(training.batch(everything, 0).inputs, training.batch(everything, 1).inputs)
    assert torch.equal(validation.batch(everything, 0).inputs, validation.batch(everything, 1).inputs)
    again = examples(training=False).batch(everything, 5)
    assert torch.equal(validation.batch(everything, 0).inputs, again.inputs)


def test_transforms_touch_the_patch_in_training_only() -> None:
    noisy = TransformProbabilities(noise=1.0, noise_std=0.2)
    plain, changed = (examples(True, c).batch(list(range(40)), 0).inputs for c in (TransformProbabilities(), noisy))
    moved = (plain != changed).any(1)
    assert moved.flatten(1).any(1).float().mean() > 0.9
    assert moved.flatten(1).sum(1).max() <= 64, "outside of the patch nothing changes"
    assert torch.equal(
        *(examples(False, c).batch(list(range(40)), 0).inputs for c in (TransformProbabilities(), noisy))
    )
