"""What a training logs: its plan, each step, each epoch, and what it does between them. `run_logger` writes it.

Here are the lines of the log, the fields of the events and the keys of the record that are not metrics of the task.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch

from imgexp_tui.training.config import Config, unread_settings
from imgexp_tui.training.data.datasets import TrainValidImages
from imgexp_tui.training.data.loader import Batch, Examples
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.metrics import EpochMetrics
from imgexp_tui.training.model.encoders import Encoder
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.tasks import Task
from imgexp_tui.training.training_state import Position, TrainingState

_LINE_INTERVAL = 10.0
"""Seconds between two lines of the log within an epoch."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """How long one step took, in seconds: `total`, of which `data` waiting for its images, and the number of those."""

    images: float
    data: float
    total: float


class TrainingLog:
    """Logs one training.

    Attributes:
        steps: batches in an epoch.
    """

    def __init__(self, config: Config, logger: RunLogger, task: Task, group: RankGroup, steps: int) -> None:
        self.steps = steps
        self._config, self._logger, self._task, self._group = config, logger, task, group
        self._last_line_time = time.monotonic()

    def log_plan(
        self,
        data: TrainValidImages,
        examples: tuple[Examples, Examples],
        state: TrainingState,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        """What will be trained, on what, and where; `examples` of training and validation."""
        c, parameters = self._config, sum(p.numel() for p in state.model.parameters())
        precision_name = str(precision).removeprefix("torch.")
        self._log_plan_lines(data, state.encoder, parameters, f"{device}, {precision_name}")
        train_examples, valid_examples = examples
        self._logger.log_event(
            "plan",
            epochs=c.epochs,
            steps_per_epoch=self.steps,
            train_samples=len(data.train),
            valid_samples=len(data.valid),
            chance={f"{side}/{m.name}": m.chance for side in ("train", "valid") for m in self._task.metrics()},
            encoder=state.encoder.name,
            weights=state.encoder.origin,
            parameters=parameters,
            device=str(device),
            precision=precision_name,
            processes=self._group.size,
            transforms={"train": train_examples.transforms, "valid": valid_examples.transforms},
        )

    def _log_plan_lines(self, data: TrainValidImages, encoder: Encoder, parameters: int, device_name: str) -> None:
        c = self._config
        self._logger.log_line(
            f"{c.task} on {c.data}: {len(data.train):,} training and {len(data.valid):,} validation images "
            f"of {c.image_size} px, {self.steps:,} batches an epoch"
        )
        self._logger.log_line(
            f"encoder {encoder.name} ({encoder.origin}), {c.head} head: {parameters:,} parameters "
            f"on {device_name}, {torch.get_num_threads()} threads"
        )
        if self._group.size > 1:
            self._logger.log_line(f"{self._group.size} processes share each batch of {c.batch_size} images")

    def log_train_batch(self, at: Position, batch: Batch) -> None:
        """Images of a batch that cannot be read, and the random numbers of a worker that has just begun."""
        self._logger.log_warnings(batch.read_errors)
        if batch.rng_fingerprint:
            self._logger.log_event("worker", side="train", epoch=at.epoch + 1, **asdict(batch.rng_fingerprint))

    def log_step(self, at: Position, measured: dict[str, float], times: StepTimes, metrics: EpochMetrics) -> None:
        """A step that is done: a line of the record every `log_every` steps, a line of the log every ten seconds.

        Args:
            measured: the metrics of the step, by the names under which they are recorded.
            metrics: those of the epoch so far.
        """
        pace = times.images / times.total
        if at.step % self._config.log_every == 0 or at.batch == self.steps:
            more = {
                "time/data": times.data,
                "time/compute": max(0.0, times.total - times.data),
                "images_per_second": pace,
            }
            self._logger.log_metrics({"step": at.step, "epoch": at.epoch + 1, **measured, **more})
        if time.monotonic() - self._last_line_time >= _LINE_INTERVAL:
            self._last_line_time = time.monotonic()
            self._logger.log_line(
                f"epoch {at.epoch + 1}/{self._config.epochs}, batch {at.batch}/{self.steps}: "
                f"train {self._format_metrics(metrics.compute())}, {pace:,.0f} images/s"
            )

    def record_epoch(self, at: Position, measured: dict[str, float]) -> None:
        """One line of the record for the epoch, before its checkpoint."""
        self._logger.log_metrics({"step": at.step, "epoch": at.epoch + 1, **measured})

    def log_epoch(self, at: Position, train: dict[str, float], valid: dict[str, float], *, is_best: bool) -> None:
        """One line of the log for the epoch.

        Args:
            train: the means over the training images, by metric.
            valid: what the validation measured, by the names under which it is recorded.
        """
        self._last_line_time = time.monotonic()
        seconds = at.seconds + valid["time/epoch_valid"]
        valid_means = {m.name: valid[f"valid/{m.name}"] for m in self._task.metrics()}
        self._logger.log_line(
            f"epoch {at.epoch + 1}/{self._config.epochs}: train {self._format_metrics(train)}; "
            f"valid {self._format_metrics(valid_means)}; {seconds:.1f} s{' (best so far)' if is_best else ''}"
        )

    def log_unread_settings(self, used: Iterable[str]) -> None:
        """The settings that nothing has used, as an event."""
        self._logger.log_event("settings", unread=unread_settings(used))

    def log_checkpoint(self, at: Position, names: list[str]) -> None:
        """The checkpoint that was saved, as an event."""
        message = f"saved {' and '.join(names)}"
        self._logger.log_event("checkpoint", message, epoch=at.epoch, step=at.step, best="best" in names)

    def log_early_stop(self, at: Position, judge: str) -> None:
        """The end of the patience."""
        message = f"stopped early after epoch {at.epoch}: the best {judge} is {at.best:.4f} of epoch {at.best_epoch}"
        self._logger.log_line(message)
        self._logger.log_event("stopped_early", message)

    def log_resume(self, at: Position, processes_before: int) -> None:
        """Where a resumed run continues, and in how many processes, if their number has changed."""
        self._logger.log_line(f"going on from the checkpoint at epoch {at.epoch + 1}, step {at.step}")
        now, before = self._group.size, processes_before
        if now != before:
            new = f"; the random numbers of {now - before} of them are seeded anew" if now > before else ""
            self._logger.log_line(
                f"this run was done in {_format_processes(before)} and goes on in {_format_processes(now)}{new}"
            )

    def check_finite(self, at: Position, measured: dict[str, float]) -> None:
        """Record `measured` and raise TrainingError if a value is not finite, before weights of nan are saved.

        The last checkpoint stays good.
        """
        for name, value in measured.items():
            if not math.isfinite(value):
                self._logger.log_metrics({"step": at.step, "epoch": at.epoch + 1, **measured})
                raise TrainingError(
                    f"{name} is {value} at step {at.step} (epoch {at.epoch + 1}); training cannot go on. "
                    "Mend: a lower learning_rate, or gradient_clip = 1.0"
                )

    def _format_metrics(self, means: dict[str, float]) -> str:
        return ", ".join(f"{m.name} {means[m.name]:.{m.decimals}f}" for m in self._task.metrics())


def _format_processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"
