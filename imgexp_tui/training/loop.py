"""The training loop, in one sitting: set up, then epochs of steps, each epoch ending in a validation and a checkpoint.

Everything that moves on lives in `Position`, the model, the optimizer, the schedule and torch's generator; all five
are in every checkpoint, and the data follow from (seed, epoch, batch number). So a resumed run goes on as if it had
never been away.

Several processes may do one run together (`group`): each takes its part of every batch, and DistributedDataParallel
gives all of them the gradient that one process would have. The first one writes the record.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from imgexp_tui.records import predictions
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training import checkpoint
from imgexp_tui.training.config import Config, unread_settings
from imgexp_tui.training.data.datasets import TrainValidImages, open_data
from imgexp_tui.training.data.loader import Batch, BatchLoader, Examples
from imgexp_tui.training.device import choose_device, choose_precision, set_threads
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.errors import StopRequested, TrainingError
from imgexp_tui.training.gradient_norms import gradient_norms, layer_groups
from imgexp_tui.training.integrity import AnswerCounts, InputFingerprint
from imgexp_tui.training.metrics import BatchCounts, EpochMetrics, PredictionSpread
from imgexp_tui.training.model import encoders
from imgexp_tui.training.model.model import ImageModel, build_model
from imgexp_tui.training.optim import make_optimizer, make_schedule
from imgexp_tui.training.predictions import PredictionCollector
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from imgexp_tui.training.tasks import make_task

_LOG_LINE_INTERVAL = 10.0
"""Seconds between two lines of the log within an epoch."""


@dataclass
class Position:
    """Where training stands.

    Attributes:
        epoch: the one under way, counted from 0.
        batch: how many of its batches are done.
        step: optimizer steps done in all.
        best: lowest validation loss so far.
        best_epoch: the epoch that had it, counted from 1; 0 before there is one.
        seconds: time spent training in this epoch.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0


class Trainer:
    """One run from its settings to its last epoch."""

    def __init__(self, run: RunDir, config: Config, logger: RunLogger, stop: StopSignal, group: RankGroup) -> None:
        self.run, self.config, self.logger, self.stop, self.group = run, config, logger, stop, group
        set_threads(config, group.size)
        torch.manual_seed(config.seed)
        np.random.seed(config.seed)  # for encoders of the user's
        self.device = choose_device(config, group.rank, group.size)
        self.precision = choose_precision(config, self.device)
        saved = checkpoint.load_last_checkpoint(run)
        self.encoder = self._make_encoder(saved)
        data = open_data(config, logger, group)
        self.task = make_task(config, data)
        self.train_examples = self.task.examples(data.train, training=True)
        self.valid_examples = self.task.examples(data.valid, training=False)
        self.train_loader = self._make_loader(self.train_examples, shuffle=True)
        self.valid_loader = self._make_loader(self.valid_examples, shuffle=False)
        self.model = self._model_to_device(build_model(self.encoder, config, self.task.outputs))
        self.groups = layer_groups(self.model)
        self.optimizer = make_optimizer(self.model, config)
        self.schedule = make_schedule(self.optimizer, config, config.epochs * self.train_loader.steps)
        self.position = Position()
        self.train_metrics = EpochMetrics(self.task, self.device, group)
        self.predictions = PredictionCollector(self.task, group)
        self._parallel_model: nn.Module | None = None
        group.seed_per_rank(config.seed)
        self._report_plan(data)
        if saved:
            self._resume(saved)
        self._last_line_time = time.monotonic()

    def fit(self) -> None:
        """Train until the last epoch, or until the validation loss has not got better for `patience` epochs.

        Raises:
            Stopped: the run was asked to end; a checkpoint was saved.
            TrainingError: the loss is not finite.
        """
        self.stop.defer()
        try:
            while self.position.epoch < self.config.epochs and not self._is_out_of_patience():
                self._train_epoch()
                self._end_epoch(self._validate())
        except StopRequested:
            self._save_checkpoint(["last"])
            raise

    def _train_epoch(self) -> None:
        frozen = self.position.epoch < self.config.freeze_epochs
        model = self._model_for_epoch(frozen)
        self.model.train()
        self.model.encoder.train(not frozen)  # a frozen encoder keeps its BatchNorm statistics too
        batches = self.train_loader.epoch_batches(self.position.epoch, self.position.batch)
        for _ in range(self.position.batch, self.train_loader.steps):
            self.group.raise_if_stopped()
            start = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - start
            self._warn_of_read_errors(batch)
            self._report_rng_fingerprint(batch, "train")
            counted, measured = self._step(model, batch, waited)
            took = time.perf_counter() - start
            self.position.batch += 1
            self.position.seconds += took
            self._record_step(measured, counted, took)

    def _model_for_epoch(self, frozen: bool) -> nn.Module:
        """The model as it is trained in this epoch: with or without its encoder, together with the other processes."""
        parameters = list(self.model.encoder.parameters())
        changed = any(p.requires_grad == frozen for p in parameters)
        if self._parallel_model is None or changed:
            self.model.encoder.requires_grad_(not frozen)
            side = self.config.image_size
            image, _ = self._to_device(torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1))
            self._parallel_model = None  # the former one lets go of the parameters
            self._parallel_model = self.group.wrap_data_parallel(self.model, image)
        return self._parallel_model

    def _step(self, model: nn.Module, batch: Batch, data_wait: float) -> tuple[BatchCounts, dict[str, float]]:
        """One step of the optimizer. Returns what was counted of the whole batch, and measured on the way."""
        inputs, targets = self._to_device(batch.inputs, batch.targets)
        rates = {f"learning_rate/{g['name']}": float(g["lr"]) for g in self.optimizer.param_groups}
        with _FrozenBatchNorm(self.model, enabled=len(targets) == 1):
            outputs, loss = self._forward(model, inputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        # The mean over processes of what is weighted so is the mean over the images of the whole batch.
        weight = batch.image_count * self.group.size / self.train_loader.images_in_batch(self.position.batch)
        (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        self.position.step += 1
        probabilities = self.task.probabilities(outputs.detach())
        counted = self.train_metrics.measure_batch(
            loss.detach(), probabilities, targets, count_own=not batch.is_padding, data_wait=data_wait
        )
        measured = {"train/loss": counted.mean_loss, **rates, **gradient_norms(self.groups)}
        self._check_finite(measured)
        if self.config.gradient_clip:
            clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.schedule.step()
        self.train_metrics.add(counted)
        return counted, measured | {"train/accuracy": counted.accuracy}

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        start = time.perf_counter()
        self.model.eval()
        self.group.broadcast_buffers(self.model)
        metrics, spread = EpochMetrics(self.task, self.device, self.group), PredictionSpread(self.group)
        self.predictions = PredictionCollector(self.task, self.group)
        alike, fingerprint = AnswerCounts(self.group), InputFingerprint(self.group)
        for batch in self.valid_loader.epoch_batches(self.position.epoch):
            self.group.raise_if_stopped()
            self._warn_of_read_errors(batch)
            if batch.is_padding:
                metrics.add(metrics.sum_over_ranks(BatchCounts()))
                continue
            fingerprint.update(batch.inputs)
            inputs, targets = self._to_device(batch.inputs, batch.targets)
            outputs, loss = self._forward(self.model, inputs, targets)
            probabilities = self.task.probabilities(outputs)
            metrics.add(metrics.measure_batch(loss, probabilities, targets))
            spread.update(probabilities)
            alike.update(probabilities)
            self.predictions.update(batch.inputs, probabilities, targets)
        mean_loss, accuracy = metrics.compute()
        mean, std = spread.compute()
        return {
            "valid/loss": mean_loss,
            "valid/accuracy": accuracy,
            "valid/soft_mean": mean,
            "valid/soft_std": std,
            "valid/largest_share": alike.largest_share(),
            "valid/samples": metrics.samples,
            "valid/fingerprint": fingerprint.compute(),
            "time/epoch_valid": time.perf_counter() - start,
        }

    def _end_epoch(self, valid: dict[str, float]) -> None:
        at, epoch = self.position, self.position.epoch + 1
        loss, accuracy = self.train_metrics.compute()
        means = {"train/epoch_loss": loss, "train/epoch_accuracy": accuracy, "time/epoch_train": at.seconds}
        self.logger.log_metrics({"step": at.step, "epoch": epoch, **means, **valid, **self._gpu_memory()})
        self._check_finite(valid)
        better = valid["valid/loss"] < at.best
        if better:
            at.best, at.best_epoch = valid["valid/loss"], epoch
        self._save_predictions(["last", "best"] if better else ["last"])
        self._report_epoch(means, valid, better)
        if at.epoch == 0:
            self._report_unread_settings()
        self.position = Position(epoch, 0, at.step, at.best, at.best_epoch)
        self.train_metrics = EpochMetrics(self.task, self.device, self.group)
        self._save_checkpoint(["last", "best"] if better else ["last"])

    def _forward(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            outputs = model(inputs).float()
        return outputs, self.task.loss(outputs, targets)

    def _to_device(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        inputs = inputs.to(self.device, non_blocking=True).to(memory_format=layout)
        return inputs, targets.to(self.device, non_blocking=True)

    def _check_finite(self, measured: dict[str, float]) -> None:
        """Raises TrainingError before weights of nan are saved; the last checkpoint stays good."""
        for name, value in measured.items():
            if not math.isfinite(value):
                self.logger.log_metrics({"step": self.position.step, "epoch": self.position.epoch + 1, **measured})
                raise TrainingError(
                    f"{name} is {value} at step {self.position.step} (epoch {self.position.epoch + 1}); "
                    "training cannot go on. "
                    "Mend: a lower learning_rate, or gradient_clip = 1.0"
                )

    def _record_step(self, measured: dict[str, float], counted: BatchCounts, duration: float) -> None:
        at, steps, pace = self.position, self.train_loader.steps, counted.images / duration
        if at.step % self.config.log_every == 0 or at.batch == steps:
            computed = max(0.0, duration - counted.data_wait)
            times = {"time/data": counted.data_wait, "time/compute": computed, "images_per_second": pace}
            self.logger.log_metrics({"step": at.step, "epoch": at.epoch + 1, **measured, **times})
        if time.monotonic() - self._last_line_time >= _LOG_LINE_INTERVAL:
            self._last_line_time = time.monotonic()
            loss, accuracy = self.train_metrics.compute()
            self.logger.log_line(
                f"epoch {at.epoch + 1}/{self.config.epochs}, batch {at.batch}/{steps}: train loss {loss:.4f}, "
                f"accuracy {accuracy:.3f}, {pace:,.0f} images/s"
            )

    def _is_out_of_patience(self) -> bool:
        at, patience = self.position, int(self.config.patience)
        over = patience > 0 and at.epoch - at.best_epoch >= patience
        if over:
            message = (
                f"stopped early after epoch {at.epoch}: the best valid/loss is {at.best:.4f} of epoch {at.best_epoch}"
            )
            self.logger.log_line(message)
            self.logger.log_event("stopped_early", message)
        return over

    def _save_checkpoint(self, names: list[str]) -> None:
        state = {
            "encoder": {"name": self.encoder.name, "origin": self.encoder.origin},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "position": asdict(self.position),
            "train_metrics": self.train_metrics.state_dict(),
        }
        random_states = self.group.gather(checkpoint.capture_random_state(self.device))
        if self.group.is_main_process:
            checkpoint.save_checkpoint(self.run, names, state, random_states)
        self.group.exchange()  # none goes on, or ends, before it is on the disk
        self.logger.log_event(
            "checkpoint",
            f"saved {' and '.join(names)}",
            epoch=self.position.epoch,
            step=self.position.step,
            best="best" in names,
        )

    def _save_predictions(self, names: list[str]) -> None:
        """Write down what the model answered. It can be made again, so that a full disk does not end the run."""
        found = self.predictions.compute(self.position.epoch + 1, self.position.step)
        if not self.group.is_main_process:
            return
        try:
            for name in names:
                predictions.write(self.run, name, found)
        except OSError as error:
            self.logger.log_warning(f"what the model answered could not be written: {error.strerror}")

    def _resume(self, saved: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint of this run does not fit its model: {error}") from None
        self.schedule.load_state_dict(saved["schedule"])
        self.train_metrics.load_state_dict(saved["train_metrics"])
        self.position = Position(**saved["position"])
        self.logger.log_line(
            f"going on from the checkpoint at epoch {self.position.epoch + 1}, step {self.position.step}"
        )
        self._resume_random_state(saved["random"])

    def _resume_random_state(self, states: list[dict[str, Any]]) -> None:
        rank, now, before = self.group.rank, self.group.size, len(states)
        if rank < before:
            checkpoint.restore_random_state(states[rank], self.device)
        else:
            self.group.seed_per_rank(self.config.seed, self.position.step)
        if now != before:
            new = f"; the random numbers of {now - before} of them are seeded anew" if now > before else ""
            self.logger.log_line(
                f"this run was done in {_format_processes(before)} and goes on in {_format_processes(now)}{new}"
            )

    def _make_encoder(self, saved: dict[str, Any] | None) -> encoders.Encoder:
        """A resumed run keeps its encoder, also where a hub is reached by now that was not at its start.

        Of several processes the first one loads the weights; `Group.parallel` gives them to the others.
        """
        if saved:
            return encoders.rebuild_saved_encoder(saved["encoder"], self.config)
        built = encoders.build_encoder(self.config, self.logger) if self.group.is_main_process else None
        told = self.group.broadcast_from_first(lambda: {"name": built.name, "origin": built.origin} if built else {})
        return built or encoders.rebuild_saved_encoder(told, self.config)

    def _make_loader(self, examples: Examples, *, shuffle: bool) -> BatchLoader:
        c = self.config
        return BatchLoader(
            examples,
            c.batch_size,
            seed=c.seed,
            shuffle=shuffle,
            workers=c.num_workers,
            pin_memory=self.device.type == "cuda",
            rank_and_size=(self.group.rank, self.group.size),
        )

    def _model_to_device(self, model: ImageModel) -> ImageModel:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        model = model.to(self.device).to(memory_format=layout)
        if self.config.compile:
            model.compile()
        return model

    def _warn_of_read_errors(self, batch: Batch) -> None:
        for fault in batch.read_errors:
            self.logger.log_warning(fault)

    def _report_rng_fingerprint(self, batch: Batch, side: str) -> None:
        """What a worker's random numbers begin with; two that begin alike go on alike."""
        if batch.rng_fingerprint:
            self.logger.log_event("worker", side=side, epoch=self.position.epoch + 1, **asdict(batch.rng_fingerprint))

    def _report_unread_settings(self) -> None:
        """The settings that a whole epoch did not ask for."""
        _ = self.config.patience  # asked for between epochs
        self.logger.log_event("settings", unread=unread_settings(self.config))

    def _gpu_memory(self) -> dict[str, float]:
        """torch's own peak: in a container NVML may not tell which process is ours."""
        if self.device.type != "cuda":
            return {}
        peaks = self.group.exchange([torch.cuda.max_memory_allocated(self.device)])
        return {"memory/gpu_peak": int(max(peak for (peak,) in peaks))}

    def _report_plan(self, data: TrainValidImages) -> None:
        c, parameters = self.config, sum(p.numel() for p in self.model.parameters())
        self.logger.log_line(
            f"{c.task} on {c.data}: {len(data.train):,} training and {len(data.valid):,} validation images "
            f"of {c.image_size} px, {self.train_loader.steps:,} batches an epoch"
        )
        self.logger.log_line(
            f"encoder {self.encoder.name} ({self.encoder.origin}), {c.head} head: {parameters:,} parameters "
            f"on {self.device}, {str(self.precision).removeprefix('torch.')}, {torch.get_num_threads()} threads"
        )
        if self.group.size > 1:
            self.logger.log_line(f"{self.group.size} processes share each batch of {c.batch_size} images")
        self.logger.log_event(
            "plan",
            epochs=c.epochs,
            steps_per_epoch=self.train_loader.steps,
            train_samples=len(data.train),
            valid_samples=len(data.valid),
            chance={f"{side}/{name}": v for side in ("train", "valid") for name, v in self.task.chance_level().items()},
            encoder=self.encoder.name,
            weights=self.encoder.origin,
            parameters=parameters,
            device=str(self.device),
            precision=str(self.precision).removeprefix("torch."),
            processes=self.group.size,
            transforms={"train": self.train_examples.transforms, "valid": self.valid_examples.transforms},
        )

    def _report_epoch(self, means: dict[str, float], valid: dict[str, float], is_best: bool) -> None:
        self._last_line_time = time.monotonic()
        seconds = means["time/epoch_train"] + valid["time/epoch_valid"]
        self.logger.log_line(
            f"epoch {self.position.epoch + 1}/{self.config.epochs}: train loss {means['train/epoch_loss']:.4f}, "
            f"accuracy {means['train/epoch_accuracy']:.3f}; valid loss {valid['valid/loss']:.4f}, "
            f"accuracy {valid['valid/accuracy']:.3f}; {seconds:.1f} s{' (best so far)' if is_best else ''}"
        )


def _format_processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


class _FrozenBatchNorm:
    """While this lasts, BatchNorm uses its running statistics: one image alone has no spread to normalise by."""

    def __init__(self, model: nn.Module, *, enabled: bool) -> None:
        norms = (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training)
        self._norms = list(norms) if enabled else []

    def __enter__(self) -> None:
        for norm in self._norms:
            norm.eval()

    def __exit__(self, *_exception: object) -> None:
        for norm in self._norms:
            norm.train()
