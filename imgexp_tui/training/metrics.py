"""Computes the metrics that a task names (`tasks.Task.metrics`) over batches, processes and epochs.

Several processes sum their parts of each batch before they count it. So all of them have the same means, and a
checkpoint needs the sums of one process only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.tasks import Task, TaskMetric

_STATE_KEYS = {"accuracy": "right"}
"""Keys in a checkpoint that differ from the metric's name: those of the first checkpoints."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The sums over the images of one batch.

    Attributes:
        images: how many images.
        sums: the sum over the images for each metric of the task, in their order.
        data_wait: seconds that the step waited for its data.
    """

    images: float
    sums: tuple[float, ...]
    data_wait: float = 0.0


class EpochMetrics:
    """The metrics of a task over the images seen so far, weighted by image. Can be saved in the middle of an epoch.

    Attributes:
        samples: images seen so far.
    """

    def __init__(self, task: Task, device: torch.device, group: RankGroup = SINGLE_PROCESS) -> None:
        self._metrics = task.metrics()
        self._calculators: list[Any] = [m.make().to(device) if m.make else None for m in self._metrics]
        self._group = group
        self._sums: list[Tensor | int] = [0 if m.counts_images else torch.zeros(()) for m in self._metrics]
        self.samples = 0

    def measure_batch(
        self, loss: Tensor, probabilities: Tensor, targets: Tensor, *, count_own: bool = True, data_wait: float = 0.0
    ) -> BatchCounts:
        """The counts of a batch, including the parts that other processes have.

        Args:
            loss: the mean loss of this process's part.
            probabilities: its soft predictions, as `Task.probabilities` returns them.
            targets: its targets.
            count_own: False where the images here are padding.
            data_wait: seconds that this process waited for its data.
        """
        if not count_own:
            return self.measure_padding(data_wait)
        n = len(targets)
        sums = tuple(
            self._sum_over_images(metric, calculator, loss, probabilities, targets)
            for metric, calculator in zip(self._metrics, self._calculators, strict=True)
        )
        return self._sum_over_ranks(BatchCounts(n, sums, data_wait))

    def measure_padding(self, data_wait: float = 0.0) -> BatchCounts:
        """The counts of a batch of which this process has no images: those of the other processes."""
        return self._sum_over_ranks(BatchCounts(0.0, (0.0,) * len(self._metrics), data_wait))

    def batch_means(self, batch: BatchCounts) -> dict[str, float]:
        """The mean of each metric over one batch, by name."""
        return {
            metric.name: _divide_float32(total, batch.images) if metric.counts_images else total / batch.images
            for metric, total in zip(self._metrics, batch.sums, strict=True)
        }

    def add(self, batch: BatchCounts) -> None:
        """Add a measured batch to the epoch."""
        for i, (metric, total) in enumerate(zip(self._metrics, batch.sums, strict=True)):
            self._sums[i] += int(total) if metric.counts_images else torch.tensor(total / batch.images) * batch.images
        self.samples += int(batch.images)

    def compute(self) -> dict[str, float]:
        """The mean of each metric over the epoch so far, by name; nan before the first batch."""
        if not self.samples:
            return {metric.name: math.nan for metric in self._metrics}
        return {
            metric.name: _divide_float32(float(total), self.samples)
            for metric, total in zip(self._metrics, self._sums, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """The sums for a checkpoint."""
        sums = {
            _STATE_KEYS.get(metric.name, metric.name): total if isinstance(total, int) else total.item()
            for metric, total in zip(self._metrics, self._sums, strict=True)
        }
        return sums | {"samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the sums of a checkpoint."""
        values = [state[_STATE_KEYS.get(metric.name, metric.name)] for metric in self._metrics]
        self._sums = [
            value if metric.counts_images else torch.tensor(value)
            for metric, value in zip(self._metrics, values, strict=True)
        ]
        self.samples = state["samples"]

    def _sum_over_images(
        self, metric: TaskMetric, calculator: Any, loss: Tensor, probabilities: Tensor, targets: Tensor
    ) -> float:
        n = len(targets)
        if calculator is None:
            return loss.item() * n
        calculator.reset()
        calculator.update(probabilities, targets)
        total: float = calculator.compute().item() * n
        return round(total) if metric.counts_images else total

    def _sum_over_ranks(self, own: BatchCounts) -> BatchCounts:
        rows = self._group.exchange([own.images, *own.sums, own.data_wait])
        images, *sums, waits = zip(*rows, strict=True)
        # A step takes as long as the process that waits longest.
        return BatchCounts(sum(images), tuple(map(sum, sums)), max(waits))


class PredictionSpread:
    """Mean and standard deviation of the soft predictions over all images.

    With one output the mean is that of the predicted probability; a deviation of 0 means that the model answers the
    same to every image. With k classes the mean is that of the likeliest class's probability (how sure the model is),
    and the deviation is that of each class's probability, averaged over the classes.
    """

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._probabilities: list[Tensor] = []
        self._group = group

    def update(self, probabilities: Tensor) -> None:
        """Add a batch of soft predictions, [n, k]."""
        self._probabilities.append(probabilities.double().cpu())

    def compute(self) -> tuple[float, float]:
        """Mean and (population) standard deviation."""
        if self._group.size > 1:
            return self._compute_over_ranks()
        all_ = torch.cat(self._probabilities)
        return all_.amax(1).mean().item(), all_.std(0, correction=0).mean().item()

    def _compute_over_ranks(self) -> tuple[float, float]:
        """The same from sums, because one process may not have the memory for the predictions of all."""
        own = torch.cat(self._probabilities) if self._probabilities else torch.zeros(0, 1, dtype=torch.float64)
        parts = [p for p in self._group.gather((len(own), own.sum(0), _sum_of_largest(own))) if p[0]]
        count = sum(n for n, *_ in parts)
        mean = torch.stack([sums for _, sums, _ in parts]).sum(0) / count
        squares = self._group.gather((own - mean).square().sum(0))
        variance = torch.stack(squares).sum(0) / count
        return sum(top for *_, top in parts) / count, variance.sqrt().mean().item()


def _sum_of_largest(probabilities: Tensor) -> float:
    """The sum over images of each one's largest probability."""
    return probabilities.amax(1).sum().item() if len(probabilities) else 0.0


def _divide_float32(numerator: float, denominator: float) -> float:
    """The quotient in single precision, which torch uses for the losses."""
    return (torch.tensor(numerator, dtype=torch.float32) / torch.tensor(denominator, dtype=torch.float32)).item()
