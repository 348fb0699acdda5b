"""Collects the predictions of a validation: the confusion matrix, and the images that the model gets most wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imgexp_tui.records.predictions import Prediction, Predictions
from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.tasks import Task

MAX_IMAGES = 64
"""Most images in a file of predictions: one screen of them, about half a megabyte."""
_THUMBNAIL_SIDE = 48
"""Pixels along each side of such an image; more than a terminal shows."""
_MAX_CONFUSION_CLASSES = 200
"""Most classes for which the confusion matrix is written; a larger one is not readable."""


class PredictionCollector:
    """The predictions of one validation. Each of several processes collects its own; `compute` joins them."""

    def __init__(self, task: Task, group: RankGroup = SINGLE_PROCESS) -> None:
        self._task, self._group = task, group
        count = len(task.classes)
        self._confusion = torch.zeros(count, count, dtype=torch.int64)
        self._worst_images = torch.zeros(0, 3, 1, 1, dtype=torch.uint8)
        self._worst_rows = torch.zeros(0, 4, dtype=torch.float64)

    def update(self, inputs: Tensor, probabilities: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            inputs: the model's inputs, uint8 [n, 3, side, side].
            probabilities: soft predictions, as `Task.probabilities` returns them.
            targets: the task's targets.
        """
        by_class = self._task.class_probabilities(probabilities).double().cpu()
        truth = self._task.true_classes(targets).cpu()
        confidence, answer = by_class.max(1)
        count = len(self._task.classes)
        self._confusion += torch.bincount(truth * count + answer, minlength=count * count).view(count, count)
        truth_probability = by_class.gather(1, truth[:, None])[:, 0]
        rows = torch.stack([truth.double(), answer.double(), confidence, truth_probability], 1)
        # Only images that may be among the most wrong are copied.
        candidates = rows[:, 3].argsort(stable=True)[:MAX_IMAGES]
        if len(self._worst_rows) == MAX_IMAGES:
            candidates = candidates[rows[candidates, 3] < self._worst_rows[-1, 3]]
        if not len(candidates):
            return
        images = (
            inputs[candidates] if not len(self._worst_images) else torch.cat([self._worst_images, inputs[candidates]])
        )
        merged = torch.cat([self._worst_rows, rows[candidates]])
        order = merged[:, 3].argsort(stable=True)[:MAX_IMAGES]
        self._worst_rows, self._worst_images = merged[order], images[order]

    def compute(self, epoch: int, step: int) -> Predictions:
        """The predictions of all processes, the most wrong image first. `epoch` is counted from 1."""
        parts = self._group.gather((self._worst_rows, self._thumbnails(), self._confusion))
        rows, images = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts if len(p[1])] or [parts[0][1]])
        order = rows[:, 3].argsort(stable=True)[:MAX_IMAGES]
        confusion = torch.stack([p[2] for p in parts]).sum(0)
        is_readable = len(self._task.classes) <= _MAX_CONFUSION_CLASSES
        return Predictions(
            epoch=epoch,
            step=step,
            classes=tuple(self._task.classes),
            confusion=tuple(map(tuple, confusion.tolist())) if is_readable else (),
            side=images.shape[-1],
            images=tuple(Prediction(int(t), int(a), c, r) for t, a, c, r in rows[order].tolist()),
            pixels=images[order].permute(0, 2, 3, 1).contiguous().numpy().tobytes(),
        )

    def _thumbnails(self) -> Tensor:
        """The most wrong images, none larger than `_THUMBNAIL_SIDE`."""
        if self._worst_images.shape[-1] <= _THUMBNAIL_SIDE:
            return self._worst_images
        small = F.interpolate(
            self._worst_images.float(), (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), mode="bilinear", antialias=True
        )
        return small.round().clamp(0, 255).to(torch.uint8)
