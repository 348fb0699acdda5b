"""The forward pass that training and validation share: batch to device, outputs in the chosen precision, loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imgexp_tui.training.tasks import Task


class ForwardPass:
    """Moves batches to the device and computes outputs and loss there.

    Attributes:
        device: where the model is.
    """

    def __init__(self, task: Task, device: torch.device, precision: torch.dtype, *, channels_last: bool) -> None:
        self.device = device
        self._task, self._precision = task, precision
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def compute(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs in float32, and the mean loss. `inputs` and `targets` are on the device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._precision == torch.bfloat16):
            outputs = model(inputs).float()
        return outputs, self._task.loss(outputs, targets)

    def to_device(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A batch on the device, in the memory order of the model."""
        inputs = inputs.to(self.device, non_blocking=True).to(memory_format=self._layout)
        return inputs, targets.to(self.device, non_blocking=True)

    def model_to_device(self, model: nn.Module) -> None:
        """Move `model` to the device, in place."""
        model.to(self.device).to(memory_format=self._layout)
