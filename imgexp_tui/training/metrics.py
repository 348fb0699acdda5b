"""Means over an epoch: loss, accuracy, and how the soft predictions are spread.

Several processes add their parts of each batch up before they count it, so that all of them have the same means and a
checkpoint needs those of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.tasks import Task


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What came out of some images.

    Attributes:
        images: how many.
        loss_sum: the sum of their losses.
        correct: how many were answered right.
        data_wait: seconds for which their data were waited for.
    """

    images: float = 0.0
    loss_sum: float = 0.0
    correct: float = 0.0
    data_wait: float = 0.0

    @property
    def mean_loss(self) -> float:
        return self.loss_sum / self.images

    @property
    def accuracy(self) -> float:
        return _divide_float32(self.correct, self.images)


class EpochMetrics:
    """Loss and accuracy over the images seen so far, weighted by image.

    It can be saved in the middle of an epoch.
    """

    def __init__(self, task: Task, device: torch.device, group: RankGroup = SINGLE_PROCESS) -> None:
        self._batch_accuracy: Any = task.new_accuracy_metric().to(device)
        self._group = group
        self._loss_sum = torch.zeros(())
        self._correct = 0
        self.samples = 0

    def measure_batch(
        self, loss: Tensor, probabilities: Tensor, targets: Tensor, *, count_own: bool = True, data_wait: float = 0.0
    ) -> BatchCounts:
        """A batch, with the parts of it that other processes have: their mean loss, soft predictions and targets.

        Args:
            count_own: False where the images here only stand in.
        """
        own = BatchCounts(data_wait=data_wait)
        if count_own:
            n = len(targets)
            self._batch_accuracy.reset()
            self._batch_accuracy.update(probabilities, targets)
            own = BatchCounts(n, loss.item() * n, round(self._batch_accuracy.compute().item() * n), data_wait)
        return self.sum_over_ranks(own)

    def sum_over_ranks(self, own: BatchCounts) -> BatchCounts:
        """The sum of what all processes counted."""
        rows = self._group.exchange([own.images, own.loss_sum, own.correct, own.data_wait])
        images, losses, right, waits = zip(*rows, strict=True)
        # A step takes as long as the process that waits longest.
        return BatchCounts(sum(images), sum(losses), sum(right), max(waits))

    def add(self, batch: BatchCounts) -> None:
        """Take a measured batch in."""
        self._loss_sum += torch.tensor(batch.mean_loss) * batch.images
        self._correct += int(batch.correct)
        self.samples += int(batch.images)

    def compute(self) -> tuple[float, float]:
        """Mean loss and accuracy; nan before the first batch."""
        if not self.samples:
            return math.nan, math.nan
        return _divide_float32(self._loss_sum.item(), self.samples), _divide_float32(self._correct, self.samples)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self._loss_sum.item(), "right": self._correct, "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loss_sum = torch.tensor(state["loss"])
        self._correct = state["right"]
        self.samples = state["samples"]


class PredictionSpread:
    """Mean and standard deviation of the soft predictions over all images.

    With one output that is the predicted probability; a deviation of 0 says that the model answers the same to every
    image. With k classes the mean is that of the likeliest class's probability (how sure the model is), and the
    deviation that of each class's probability, averaged over the classes.
    """

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._probabilities: list[Tensor] = []
        self._group = group

    def update(self, probabilities: Tensor) -> None:
        """Take in a batch of soft predictions, [n, k]."""
        self._probabilities.append(probabilities.double().cpu())

    def compute(self) -> tuple[float, float]:
        """Mean and (population) standard deviation."""
        if self._group.size > 1:
            return self._compute_over_ranks()
        all_ = torch.cat(self._probabilities)
        return all_.amax(1).mean().item(), all_.std(0, correction=0).mean().item()

    def _compute_over_ranks(self) -> tuple[float, float]:
        """The same from sums, because all predictions of all processes may not fit in one."""
        own = torch.cat(self._probabilities) if self._probabilities else torch.zeros(0, 1, dtype=torch.float64)
        parts = [p for p in self._group.gather((len(own), own.sum(0), _sum_of_largest(own))) if p[0]]
        count = sum(n for n, *_ in parts)
        mean = torch.stack([sums for _, sums, _ in parts]).sum(0) / count
        squares = self._group.gather((own - mean).square().sum(0))
        variance = torch.stack(squares).sum(0) / count
        return sum(top for *_, top in parts) / count, variance.sqrt().mean().item()


def _sum_of_largest(probabilities: Tensor) -> float:
    """The sum of each image's largest."""
    return probabilities.amax(1).sum().item() if len(probabilities) else 0.0


def _divide_float32(part: float, whole: float) -> float:
    """In single precision, as torch has the losses."""
    return (torch.tensor(part, dtype=torch.float32) / torch.tensor(whole, dtype=torch.float32)).item()
