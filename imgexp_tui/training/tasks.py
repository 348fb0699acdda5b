"""What is learned: the examples, the loss, the metrics and the level of guessing that follow from the task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from imgexp_tui.training.config import Config
from imgexp_tui.training.data.datasets import LabelledImages, TrainValidImages
from imgexp_tui.training.data.image_store import ImageSet
from imgexp_tui.training.data.loader import Batch, Examples
from imgexp_tui.training.data.patchwork import PatchworkExamples, TransformProbabilities
from imgexp_tui.training.errors import TrainingError


class Task(Protocol):
    """A task.

    Attributes:
        outputs: numbers that the model gives for an image.
        classes: the names of what can be answered.
    """

    outputs: int
    classes: list[str]

    def examples(self, labelled: LabelledImages, training: bool) -> Examples: ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch."""
        ...

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The soft predictions [n, k]."""
        ...

    def class_probabilities(self, probabilities: Tensor) -> Tensor:
        """The probability of each of `classes`, [n, classes]."""
        ...

    def true_classes(self, targets: Tensor) -> Tensor:
        """The index of the class that would be right, int64 [n]."""
        ...

    def new_accuracy_metric(self) -> Any:
        """A new torchmetrics accuracy of this process's own images, to be updated with probabilities and targets."""
        ...

    def chance_level(self) -> dict[str, float]:
        """The `loss` and `new_accuracy_metric` on the validation images of the best answer that does not look at
        them.
        """
        ...


class PatchworkTask:
    """Binary: does the pasted patch come from the same image?"""

    outputs = 1
    classes = ["another image", "same image"]

    def __init__(self, config: Config) -> None:
        self._config = config

    def examples(self, labelled: LabelledImages, training: bool) -> Examples:
        c = self._config
        chances = TransformProbabilities(
            c.patch_flip_horizontal, c.patch_flip_vertical, c.patch_noise, c.patch_noise_std
        )
        return PatchworkExamples(labelled.images, c.patch_size, chances, c.seed, training)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid()

    def class_probabilities(self, probabilities: Tensor) -> Tensor:
        return torch.cat([1 - probabilities, probabilities], 1)

    def true_classes(self, targets: Tensor) -> Tensor:
        return targets[:, 0].long()

    def new_accuracy_metric(self) -> Any:
        return BinaryAccuracy(sync_on_compute=False)

    def chance_level(self) -> dict[str, float]:
        return {"loss": math.log(2), "accuracy": 0.5}


class ClassificationTask:
    """Which class does the image belong to?"""

    def __init__(self, data: TrainValidImages) -> None:
        if len(data.classes) < 2:
            raise TrainingError(
                "task: classification needs images in a sub-folder for each of at least 2 classes; "
                'sort them, or take task = "patchwork", which needs no labels'
            )
        self.outputs, self.classes = len(data.classes), list(data.classes)
        self._valid_labels = data.valid.labels

    def examples(self, labelled: LabelledImages, training: bool) -> Examples:
        return _ClassificationExamples(labelled.images, labelled.labels)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def class_probabilities(self, probabilities: Tensor) -> Tensor:
        return probabilities

    def true_classes(self, targets: Tensor) -> Tensor:
        return targets

    def new_accuracy_metric(self) -> Any:
        return MulticlassAccuracy(self.outputs, average="micro", sync_on_compute=False)

    def chance_level(self) -> dict[str, float]:
        shares = torch.bincount(self._valid_labels, minlength=self.outputs).double() / len(self._valid_labels)
        return {"loss": torch.special.entr(shares).sum().item(), "accuracy": shares.max().item()}


class _ClassificationExamples:
    """Images with their classes, int64 [n]; nothing is done to them at random."""

    transforms = ()

    def __init__(self, images: ImageSet, labels: Tensor) -> None:
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int], epoch: int) -> Batch:
        inputs, faults = self._images.pixels(indices)
        return Batch(inputs, self._labels[torch.as_tensor(indices)], faults)


def make_task(config: Config, data: TrainValidImages) -> Task:
    """The task that `config.task` names.

    Raises:
        TrainingError: the data have no labels and the task needs them.
    """
    return ClassificationTask(data) if config.task == "classification" else PatchworkTask(config)
