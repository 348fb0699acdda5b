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

from imgexp_tui.training.distributed.group import ALONE, Group
from imgexp_tui.training.tasks import Task


@dataclass(frozen=True, slots=True)
class Counted:
    """What came out of some images.

    Attributes:
        images: how many.
        loss: the sum of their losses.
        right: how many were answered right.
        waited: seconds for which their data were waited for.
    """

    images: float = 0.0
    loss: float = 0.0
    right: float = 0.0
    waited: float = 0.0

    @property
    def mean_loss(self) -> float:
        return self.loss / self.images

    @property
    def accuracy(self) -> float:
        return _share(self.right, self.images)


class EpochMetrics:
    """Loss and accuracy over the images seen so far, weighted by image.

    It can be saved in the middle of an epoch.
    """

    def __init__(self, task: Task, device: torch.device, group: Group = ALONE) -> None:
        self._batch: Any = task.accuracy().to(device)
        self._group = group
        self._loss = torch.zeros(())
        self._right = 0
        self.samples = 0

    def measure(
        self, loss: Tensor, probabilities: Tensor, targets: Tensor, *, counts: bool = True, waited: float = 0.0
    ) -> Counted:
        """A batch, with the parts of it that other processes have: their mean loss, soft predictions and targets.

        Args:
            counts: False where the images here only stand in.
        """
        own = Counted(waited=waited)
        if counts:
            n = len(targets)
            self._batch.reset()
            self._batch.update(probabilities, targets)
            own = Counted(n, loss.item() * n, round(self._batch.compute().item() * n), waited)
        return self.together(own)

    def together(self, own: Counted) -> Counted:
        """The sum of what all processes counted."""
        rows = self._group.exchange([own.images, own.loss, own.right, own.waited])
        images, losses, right, waits = zip(*rows, strict=True)
        # A step takes as long as the process that waits longest.
        return Counted(sum(images), sum(losses), sum(right), max(waits))

    def add(self, batch: Counted) -> None:
        """Take a measured batch in."""
        self._loss += torch.tensor(batch.mean_loss) * batch.images
        self._right += int(batch.right)
        self.samples += int(batch.images)

    def compute(self) -> tuple[float, float]:
        """Mean loss and accuracy; nan before the first batch."""
        if not self.samples:
            return math.nan, math.nan
        return _share(self._loss.item(), self.samples), _share(self._right, self.samples)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self._loss.item(), "right": self._right, "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loss = torch.tensor(state["loss"])
        self._right = state["right"]
        self.samples = state["samples"]


class Spread:
    """Mean and standard deviation of the soft predictions over all images.

    With one output that is the predicted probability; a deviation of 0 says that the model answers the same to every
    image. With k classes the mean is that of the likeliest class's probability (how sure the model is), and the
    deviation that of each class's probability, averaged over the classes.
    """

    def __init__(self, group: Group = ALONE) -> None:
        self._seen: list[Tensor] = []
        self._group = group

    def update(self, probabilities: Tensor) -> None:
        """Take in a batch of soft predictions, [n, k]."""
        self._seen.append(probabilities.double().cpu())

    def compute(self) -> tuple[float, float]:
        """Mean and (population) standard deviation."""
        if self._group.size > 1:
            return self._compute_together()
        all_ = torch.cat(self._seen)
        return all_.amax(1).mean().item(), all_.std(0, correction=0).mean().item()

    def _compute_together(self) -> tuple[float, float]:
        """The same from sums, because all predictions of all processes may not fit in one."""
        own = torch.cat(self._seen) if self._seen else torch.zeros(0, 1, dtype=torch.float64)
        parts = [p for p in self._group.gather((len(own), own.sum(0), _likeliest(own))) if p[0]]
        count = sum(n for n, *_ in parts)
        mean = torch.stack([sums for _, sums, _ in parts]).sum(0) / count
        squares = self._group.gather((own - mean).square().sum(0))
        variance = torch.stack(squares).sum(0) / count
        return sum(top for *_, top in parts) / count, variance.sqrt().mean().item()


def _likeliest(probabilities: Tensor) -> float:
    """The sum of each image's largest."""
    return probabilities.amax(1).sum().item() if len(probabilities) else 0.0


def _share(part: float, whole: float) -> float:
    """In single precision, as torch has the losses."""
    return (torch.tensor(part, dtype=torch.float32) / torch.tensor(whole, dtype=torch.float32)).item()
