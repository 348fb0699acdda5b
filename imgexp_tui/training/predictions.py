"""What a model answers in a validation: how the classes are confused, and the images that it gets most wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imgexp_tui.records.predictions import Prediction, Predictions
from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup
from imgexp_tui.training.tasks import Task

MAX_IMAGES = 64
"""Images that are kept: a screen of them, and about half a megabyte."""
_THUMBNAIL_SIDE = 48
"""Pixels along a kept image; more than a terminal shows."""
_MAX_CONFUSION_CLASSES = 200
"""Classes up to which a table of who is taken for whom is kept; beyond it nobody reads one."""


class PredictionCollector:
    """The answers of one validation. Of several processes each keeps its own; `compute` puts them together."""

    def __init__(self, task: Task, group: RankGroup = SINGLE_PROCESS) -> None:
        self._task, self._group = task, group
        count = len(task.classes)
        self._confusion = torch.zeros(count, count, dtype=torch.int64)
        self._worst_images = torch.zeros(0, 3, 1, 1, dtype=torch.uint8)
        self._worst_rows = torch.zeros(0, 4, dtype=torch.float64)

    def update(self, inputs: Tensor, probabilities: Tensor, targets: Tensor) -> None:
        """Take in a batch.

        Args:
            inputs: uint8 [n, 3, side, side], as they were given to the model.
            probabilities: soft predictions, as `Task.probabilities` gives them.
            targets: as the task has them.
        """
        shares = self._task.class_probabilities(probabilities).double().cpu()
        truth = self._task.true_classes(targets).cpu()
        confidence, answer = shares.max(1)
        count = len(self._task.classes)
        self._confusion += torch.bincount(truth * count + answer, minlength=count * count).view(count, count)
        right = shares.gather(1, truth[:, None])[:, 0]
        rows = torch.stack([truth.double(), answer.double(), confidence, right], 1)
        # Only what may be among the most wrong is worth copying.
        least = rows[:, 3].argsort(stable=True)[:MAX_IMAGES]
        if len(self._worst_rows) == MAX_IMAGES:
            least = least[rows[least, 3] < self._worst_rows[-1, 3]]
        if not len(least):
            return
        images = inputs[least] if not len(self._worst_images) else torch.cat([self._worst_images, inputs[least]])
        merged = torch.cat([self._worst_rows, rows[least]])
        order = merged[:, 3].argsort(stable=True)[:MAX_IMAGES]
        self._worst_rows, self._worst_images = merged[order], images[order]

    def compute(self, epoch: int, step: int) -> Predictions:
        """The answers of all processes. `epoch` is counted from 1."""
        parts = self._group.gather((self._worst_rows, self._thumbnails(), self._confusion))
        rows, images = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts if len(p[1])] or [parts[0][1]])
        order = rows[:, 3].argsort(stable=True)[:MAX_IMAGES]
        confusion = torch.stack([p[2] for p in parts]).sum(0)
        few = len(self._task.classes) <= _MAX_CONFUSION_CLASSES
        return Predictions(
            epoch=epoch,
            step=step,
            classes=tuple(self._task.classes),
            confusion=tuple(map(tuple, confusion.tolist())) if few else (),
            side=images.shape[-1],
            images=tuple(Prediction(int(t), int(a), c, r) for t, a, c, r in rows[order].tolist()),
            pixels=images[order].permute(0, 2, 3, 1).contiguous().numpy().tobytes(),
        )

    def _thumbnails(self) -> Tensor:
        """The kept images, none larger than `_THUMBNAIL_SIDE`."""
        if self._worst_images.shape[-1] <= _THUMBNAIL_SIDE:
            return self._worst_images
        small = F.interpolate(
            self._worst_images.float(), (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), mode="bilinear", antialias=True
        )
        return small.round().clamp(0, 255).to(torch.uint8)
