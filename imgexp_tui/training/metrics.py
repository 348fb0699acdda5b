"""Means over an epoch: loss, accuracy, and how the soft predictions are spread."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from imgexp_tui.training.tasks import Task


class EpochMetrics:
    """Loss and accuracy over the images seen so far, weighted by image.

    It can be saved in the middle of an epoch.
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        # By default nan is left out of the mean, with a warning; here it has to show, and the loop tells of it.
        self._loss: Any = MeanMetric(nan_strategy=math.nan).to(device)
        self._accuracy: Any = task.accuracy().to(device)
        for metric in (self._loss, self._accuracy):
            metric.persistent(True)
        self.samples = 0

    def update(self, loss: Tensor, probabilities: Tensor, targets: Tensor) -> float:
        """Take a batch in: its mean loss, its soft predictions and its targets. Returns the batch's own accuracy."""
        self._loss.update(loss, weight=len(targets))
        self.samples += len(targets)
        return float(self._accuracy(probabilities, targets))

    def compute(self) -> tuple[float, float]:
        """Mean loss and accuracy; nan before the first batch."""
        if not self.samples:
            return math.nan, math.nan
        return float(self._loss.compute()), float(self._accuracy.compute())

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self._loss.state_dict(), "accuracy": self._accuracy.state_dict(), "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loss.load_state_dict(state["loss"])
        self._accuracy.load_state_dict(state["accuracy"])
        self.samples = state["samples"]


class Spread:
    """Mean and standard deviation of the soft predictions over all images.

    With one output that is the predicted probability; a deviation of 0 says that the model answers the same to every
    image. With k classes the mean is that of the likeliest class's probability (how sure the model is), and the
    deviation that of each class's probability, averaged over the classes.
    """

    def __init__(self) -> None:
        self._seen: list[Tensor] = []

    def update(self, probabilities: Tensor) -> None:
        """Take in a batch of soft predictions, [n, k]."""
        self._seen.append(probabilities.double().cpu())

    def compute(self) -> tuple[float, float]:
        """Mean and (population) standard deviation."""
        all_ = torch.cat(self._seen)
        return all_.amax(1).mean().item(), all_.std(0, correction=0).mean().item()
