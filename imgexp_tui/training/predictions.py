"""What a model answers in a validation: how the classes are confused, and the images that it gets most wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imgexp_tui.records.predictions import Answer, Answers
from imgexp_tui.training.distributed.group import ALONE, Group
from imgexp_tui.training.tasks import Task

MOST = 64
"""Images that are kept: a screen of them, and about half a megabyte."""
_SIDE = 48
"""Pixels along a kept image; more than a terminal shows."""
_MOST_CLASSES = 200
"""Classes up to which a table of who is taken for whom is kept; beyond it nobody reads one."""


class Given:
    """The answers of one validation. Of several processes each keeps its own; `compute` puts them together."""

    def __init__(self, task: Task, group: Group = ALONE) -> None:
        self._task, self._group = task, group
        count = len(task.classes)
        self._confusion = torch.zeros(count, count, dtype=torch.int64)
        self._images = torch.zeros(0, 3, 1, 1, dtype=torch.uint8)
        self._rows = torch.zeros(0, 4, dtype=torch.float64)

    def update(self, inputs: Tensor, probabilities: Tensor, targets: Tensor) -> None:
        """Take in a batch.

        Args:
            inputs: uint8 [n, 3, side, side], as they were given to the model.
            probabilities: soft predictions, as `Task.probabilities` gives them.
            targets: as the task has them.
        """
        shares = self._task.shares(probabilities).double().cpu()
        truth = self._task.truth(targets).cpu()
        confidence, answer = shares.max(1)
        count = len(self._task.classes)
        self._confusion += torch.bincount(truth * count + answer, minlength=count * count).view(count, count)
        right = shares.gather(1, truth[:, None])[:, 0]
        rows = torch.stack([truth.double(), answer.double(), confidence, right], 1)
        # Only what may be among the most wrong is worth copying.
        least = rows[:, 3].argsort(stable=True)[:MOST]
        if len(self._rows) == MOST:
            least = least[rows[least, 3] < self._rows[-1, 3]]
        if not len(least):
            return
        images = inputs[least] if not len(self._images) else torch.cat([self._images, inputs[least]])
        merged = torch.cat([self._rows, rows[least]])
        order = merged[:, 3].argsort(stable=True)[:MOST]
        self._rows, self._images = merged[order], images[order]

    def compute(self, epoch: int, step: int) -> Answers:
        """The answers of all processes. `epoch` is counted from 1."""
        parts = self._group.gather((self._rows, self._small(), self._confusion))
        rows, images = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts if len(p[1])] or [parts[0][1]])
        order = rows[:, 3].argsort(stable=True)[:MOST]
        confusion = torch.stack([p[2] for p in parts]).sum(0)
        few = len(self._task.classes) <= _MOST_CLASSES
        return Answers(
            epoch=epoch,
            step=step,
            classes=tuple(self._task.classes),
            confusion=tuple(map(tuple, confusion.tolist())) if few else (),
            side=images.shape[-1],
            images=tuple(Answer(int(t), int(a), c, r) for t, a, c, r in rows[order].tolist()),
            pixels=images[order].permute(0, 2, 3, 1).contiguous().numpy().tobytes(),
        )

    def _small(self) -> Tensor:
        """The kept images, none larger than `_SIDE`."""
        if self._images.shape[-1] <= _SIDE:
            return self._images
        small = F.interpolate(self._images.float(), (_SIDE, _SIDE), mode="bilinear", antialias=True)
        return small.round().clamp(0, 255).to(torch.uint8)
