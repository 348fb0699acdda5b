"""All that changes while training, as one object that a checkpoint holds and a resumed run continues from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import optim
from torch.optim.lr_scheduler import LRScheduler

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training import checkpoint
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.metrics import EpochMetrics
from imgexp_tui.training.model.encoders import Encoder
from imgexp_tui.training.model.model import ImageModel


@dataclass
class Position:
    """How far training has come.

    Attributes:
        epoch: the current epoch, counted from 0.
        batch: how many of its batches are done.
        step: optimizer steps done in all.
        best: the best value of the judged metric so far, by default the lowest validation loss.
        best_epoch: the epoch that had it, counted from 1; 0 before there is one.
        seconds: time spent training in this epoch.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0


@dataclass
class TrainingState:
    """Model, optimizer, schedule, position and the metrics of the current epoch.

    The random number generators of every process are saved and restored with it.
    """

    encoder: Encoder
    model: ImageModel
    optimizer: optim.Optimizer
    schedule: LRScheduler
    train_metrics: EpochMetrics
    position: Position = field(default_factory=Position)

    def save(self, run: RunDir, names: list[str], device: torch.device, group: RankGroup) -> None:
        """Write a checkpoint under each of `names`. All processes must call it; none returns before it is on the disk.

        Raises:
            OSError: it cannot be written; the older file is still whole.
        """
        state = {
            "encoder": {"name": self.encoder.name, "origin": self.encoder.origin},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "position": asdict(self.position),
            "train_metrics": self.train_metrics.state_dict(),
        }
        random_states = group.gather(checkpoint.capture_random_state(device))
        if group.is_main_process:
            checkpoint.save_checkpoint(run, names, state, random_states)
        group.exchange()

    def load(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint, all but the random number generators.

        Raises:
            TrainingError: the checkpoint is of another model.
        """
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint of this run does not fit its model: {error}") from None
        self.schedule.load_state_dict(saved["schedule"])
        self.train_metrics.load_state_dict(saved["train_metrics"])
        self.position = Position(**saved["position"])

    def load_random_state(
        self, states: list[dict[str, Any]], device: torch.device, group: RankGroup, seed: int
    ) -> None:
        """Set this process's generators as they were saved; a process that was not there before is seeded anew.

        Args:
            states: as saved, one for each process of that time.
        """
        if group.rank < len(states):
            checkpoint.restore_random_state(states[group.rank], device)
        else:
            group.seed_per_rank(seed, self.position.step)
