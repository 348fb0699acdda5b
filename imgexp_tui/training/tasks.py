"""The tasks: what is learned, with examples, loss, metrics and chance levels. A new task or metric goes here.

A task is a class with the methods of `Task`, and a line in `make_task`; the setting's choices are in
`notebook/schema/settings.py`. A metric is an entry of `Task.metrics()`; the module `metrics` adds it up over batches
and processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.training.config import Config
from imgexp_tui.training.data.datasets import LabelledImages, TrainValidImages
from imgexp_tui.training.data.image_store import ImageSet
from imgexp_tui.training.data.loader import Batch, Examples
from imgexp_tui.training.data.patchwork import PatchworkExamples, TransformProbabilities
from imgexp_tui.training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """A metric of a task: a mean over images, for a batch and for an epoch.

    It is recorded as `train/NAME` for each step, and as `train/epoch_NAME` and `valid/NAME` for each epoch.

    Attributes:
        name: without the part before the slash, such as "accuracy".
        goal: which values are better; the same as in the table of metrics (`records/metrics/metric.py`).
        chance: its value on the validation images for the best answer that does not look at them.
        decimals: digits after the point in the lines of the log.
        make: a new torchmetrics metric of this process's own images, to be updated with soft predictions and targets;
            None for the loss, whose value comes from `Task.loss`.
        counts_images: whether it is a share of images, so that its sums are whole numbers of images.
    """

    name: str
    goal: Goal
    chance: float
    decimals: int
    make: Callable[[], Any] | None = None
    counts_images: bool = False


class Task(Protocol):
    """A task.

    Attributes:
        outputs: how many numbers the model gives for an image.
        classes: the names of the possible answers.
        used_settings: the names of the settings that this task reads.
    """

    outputs: int
    classes: list[str]
    used_settings: frozenset[str]

    def examples(self, labelled: LabelledImages, training: bool) -> Examples:
        """Inputs and targets made from `labelled`."""
        ...

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
        """The index of the right class, int64 [n]."""
        ...

    def metrics(self) -> tuple[TaskMetric, ...]:
        """The metrics in the order in which they are recorded; the first one is `loss`."""
        ...


def _loss_metric(chance: float) -> TaskMetric:
    return TaskMetric("loss", goal=Goal.LOWER, chance=chance, decimals=4)


def _accuracy_metric(chance: float, make: Callable[[], Any]) -> TaskMetric:
    return TaskMetric("accuracy", goal=Goal.HIGHER, chance=chance, decimals=3, make=make, counts_images=True)


class PatchworkTask:
    """Binary: does the pasted patch come from the same image?"""

    outputs = 1
    classes = ["another image", "same image"]
    used_settings = frozenset(
        ("patch_size", "patch_flip_horizontal", "patch_flip_vertical", "patch_noise", "patch_noise_std", "seed")
    )

    def __init__(self, config: Config) -> None:
        self._config = config

    def examples(self, labelled: LabelledImages, training: bool) -> Examples:
        c = self._config
        probabilities = TransformProbabilities(
            c.patch_flip_horizontal, c.patch_flip_vertical, c.patch_noise, c.patch_noise_std
        )
        return PatchworkExamples(labelled.images, c.patch_size, probabilities, c.seed, training)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid()

    def class_probabilities(self, probabilities: Tensor) -> Tensor:
        return torch.cat([1 - probabilities, probabilities], 1)

    def true_classes(self, targets: Tensor) -> Tensor:
        return targets[:, 0].long()

    def metrics(self) -> tuple[TaskMetric, ...]:
        return _loss_metric(math.log(2)), _accuracy_metric(0.5, lambda: BinaryAccuracy(sync_on_compute=False))


class ClassificationTask:
    """Which class does the image belong to?"""

    used_settings: frozenset[str] = frozenset()

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

    def metrics(self) -> tuple[TaskMetric, ...]:
        # Guessing answers with the classes' shares: their entropy is the loss, the largest share the accuracy.
        shares = torch.bincount(self._valid_labels, minlength=self.outputs).double() / len(self._valid_labels)
        return (
            _loss_metric(torch.special.entr(shares).sum().item()),
            _accuracy_metric(
                shares.max().item(), lambda: MulticlassAccuracy(self.outputs, average="micro", sync_on_compute=False)
            ),
        )


class _ClassificationExamples:
    """Images with their classes, int64 [n], without random transforms."""

    transforms = ()

    def __init__(self, images: ImageSet, labels: Tensor) -> None:
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int], epoch: int) -> Batch:
        inputs, read_errors = self._images.pixels(indices)
        return Batch(inputs, self._labels[torch.as_tensor(indices)], read_errors)


def make_task(config: Config, data: TrainValidImages) -> Task:
    """The task that `config.task` names.

    Raises:
        TrainingError: the task needs labels, and the data have none.
    """
    return ClassificationTask(data) if config.task == "classification" else PatchworkTask(config)
