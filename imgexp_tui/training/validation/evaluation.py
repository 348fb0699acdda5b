"""Validates the model at the end of an epoch: metrics and predictions of all validation images."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from imgexp_tui.records import predictions
from imgexp_tui.records.predictions import Predictions
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.data.loader import BatchLoader
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.forward import ForwardPass
from imgexp_tui.training.integrity import AnswerCounts, InputFingerprint
from imgexp_tui.training.metrics import EpochMetrics, PredictionSpread
from imgexp_tui.training.model.model import ImageModel
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.tasks import Task
from imgexp_tui.training.validation.predictions import PredictionCollector


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of one validation.

    Attributes:
        metrics: by the names under which they are recorded, such as `valid/loss`.
        predictions: the answers to this process's images.
    """

    metrics: dict[str, float]
    predictions: PredictionCollector


class Evaluator:
    """Validates a model on the validation images."""

    def __init__(
        self, task: Task, loader: BatchLoader, forward: ForwardPass, logger: RunLogger, group: RankGroup
    ) -> None:
        self._task, self._loader, self._forward = task, loader, forward
        self._logger, self._group = logger, group

    @torch.inference_mode()
    def evaluate(self, model: ImageModel, epoch: int) -> Evaluation:
        """Validate `model`, which then is in evaluation mode. `epoch` is counted from 0.

        Raises:
            StopRequested: the run was asked to end.
        """
        start = time.perf_counter()
        model.eval()
        self._group.broadcast_buffers(model)
        metrics, spread = EpochMetrics(self._task, self._forward.device, self._group), PredictionSpread(self._group)
        collector = PredictionCollector(self._task, self._group)
        answers, fingerprint = AnswerCounts(self._group), InputFingerprint(self._group)
        for batch in self._loader.epoch_batches(epoch):
            self._group.raise_if_stopped()
            self._logger.log_warnings(batch.read_errors)
            if batch.is_padding:
                metrics.add(metrics.measure_padding())
                continue
            fingerprint.update(batch.inputs)
            inputs, targets = self._forward.to_device(batch.inputs, batch.targets)
            outputs, loss = self._forward.compute(model, inputs, targets)
            probabilities = self._task.probabilities(outputs)
            metrics.add(metrics.measure_batch(loss, probabilities, targets))
            spread.update(probabilities)
            answers.update(probabilities)
            collector.update(batch.inputs, probabilities, targets)
        means = {f"valid/{name}": value for name, value in metrics.compute().items()}
        soft_mean, soft_std = spread.compute()
        checks = {
            "valid/soft_mean": soft_mean,
            "valid/soft_std": soft_std,
            "valid/largest_share": answers.largest_share(),
            "valid/samples": metrics.samples,
            "valid/fingerprint": fingerprint.compute(),
            "time/epoch_valid": time.perf_counter() - start,
        }
        return Evaluation(means | checks, collector)


def write_predictions(run: RunDir, names: list[str], answers: Predictions, logger: RunLogger) -> None:
    """Write `answers` under each of `names`. They can be made again, so that a full disk does not end the run."""
    try:
        for name in names:
            predictions.write(run, name, answers)
    except OSError as error:
        logger.log_warning(f"what the model answered could not be written: {error.strerror}")
