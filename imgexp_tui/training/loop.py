"""The training loop, in one sitting: set up, then epochs of steps, each epoch ending in a validation and a checkpoint.

Everything that moves on lives in `Position`, the model, the optimizer, the schedule and torch's generator; all five
are in every checkpoint, and the data follow from (seed, epoch, batch number). So a resumed run goes on as if it had
never been away.
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

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training import checkpoint, encoders
from imgexp_tui.training.batches import Batch, Loader
from imgexp_tui.training.config import Config
from imgexp_tui.training.device import choose_device, choose_precision, set_threads
from imgexp_tui.training.errors import Stopped, TrainingError
from imgexp_tui.training.gradients import gradient_norms, layer_groups
from imgexp_tui.training.metrics import EpochMetrics, Spread
from imgexp_tui.training.model import ImageModel, assemble
from imgexp_tui.training.optim import make_optimizer, make_schedule
from imgexp_tui.training.report import Report
from imgexp_tui.training.sources import Data, open_data
from imgexp_tui.training.stop import StopSignal
from imgexp_tui.training.tasks import make_task

_LINE_INTERVAL = 10.0
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


class Training:
    """One run from its settings to its last epoch."""

    def __init__(self, run: RunDir, config: Config, report: Report, stop: StopSignal) -> None:
        self.run, self.config, self.report, self.stop = run, config, report, stop
        set_threads(config)
        torch.manual_seed(config.seed)
        np.random.seed(config.seed)  # for encoders of the user's
        self.device = choose_device(config)
        self.precision = choose_precision(config, self.device)
        saved = checkpoint.load_last(run)
        # A resumed run keeps its encoder, also where a hub is reached by now that was not at its start.
        self.encoder = encoders.again(saved["encoder"], config) if saved else encoders.build(config, report)
        data = open_data(config, report)
        self.task = make_task(config, data)
        self.train_loader, self.valid_loader = self._loader(data, True), self._loader(data, False)
        self.model = self._on_device(assemble(self.encoder, config, self.task.outputs))
        self.groups = layer_groups(self.model)
        self.optimizer = make_optimizer(self.model, config)
        self.schedule = make_schedule(self.optimizer, config, config.epochs * self.train_loader.steps)
        self.at = Position()
        self.train_metrics = EpochMetrics(self.task, self.device)
        self._tell_plan(data)
        if saved:
            self._resume(saved)
        self._last_line = time.monotonic()

    def fit(self) -> None:
        """Train until the last epoch, or until the validation loss has not got better for `patience` epochs.

        Raises:
            Stopped: the run was asked to end; a checkpoint was saved.
            TrainingError: the loss is not finite.
        """
        self.stop.defer()
        try:
            while self.at.epoch < self.config.epochs and not self._out_of_patience():
                self._train_epoch()
                self._end_epoch(self._validate())
        except Stopped:
            self._save(["last"])
            raise

    def _train_epoch(self) -> None:
        frozen = self.at.epoch < self.config.freeze_epochs
        self.model.encoder.requires_grad_(not frozen)
        self.model.train()
        self.model.encoder.train(not frozen)  # a frozen encoder keeps its BatchNorm statistics too
        batches = self.train_loader.epoch(self.at.epoch, self.at.batch)
        for _ in range(self.at.batch, self.train_loader.steps):
            self.stop.check()
            start = time.perf_counter()
            batch = next(batches)
            loaded = time.perf_counter()
            self._warn_of(batch)
            measured = self._step(batch)
            done = time.perf_counter()
            self.at.batch += 1
            self.at.seconds += done - start
            self._record_step(measured, len(batch.targets), loaded - start, done - loaded)

    def _step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimizer. Returns what was measured on its way."""
        inputs, targets = self._moved(batch)
        rates = {f"learning_rate/{g['name']}": float(g["lr"]) for g in self.optimizer.param_groups}
        with _statistics_kept(self.model, when=len(targets) == 1):
            outputs, loss = self._forward(inputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.at.step += 1
        measured = {"train/loss": loss.item(), **rates, **gradient_norms(self.groups)}
        self._check_finite(measured)
        if self.config.gradient_clip:
            clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.schedule.step()
        probabilities = self.task.probabilities(outputs.detach())
        measured["train/accuracy"] = self.train_metrics.update(loss.detach(), probabilities, targets)
        return measured

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        start = time.perf_counter()
        self.model.eval()
        metrics, spread = EpochMetrics(self.task, self.device), Spread()
        for batch in self.valid_loader.epoch(self.at.epoch):
            self.stop.check()
            self._warn_of(batch)
            inputs, targets = self._moved(batch)
            outputs, loss = self._forward(inputs, targets)
            probabilities = self.task.probabilities(outputs)
            metrics.update(loss, probabilities, targets)
            spread.update(probabilities)
        mean_loss, accuracy = metrics.compute()
        mean, std = spread.compute()
        return {
            "valid/loss": mean_loss,
            "valid/accuracy": accuracy,
            "valid/soft_mean": mean,
            "valid/soft_std": std,
            "valid/samples": metrics.samples,
            "time/epoch_valid": time.perf_counter() - start,
        }

    def _end_epoch(self, valid: dict[str, float]) -> None:
        at, epoch = self.at, self.at.epoch + 1
        loss, accuracy = self.train_metrics.compute()
        means = {"train/epoch_loss": loss, "train/epoch_accuracy": accuracy, "time/epoch_train": at.seconds}
        self.report.metrics({"step": at.step, "epoch": epoch, **means, **valid, **self._gpu_memory()})
        self._check_finite(valid)
        better = valid["valid/loss"] < at.best
        if better:
            at.best, at.best_epoch = valid["valid/loss"], epoch
        self._tell_epoch(means, valid, better)
        self.at = Position(epoch, 0, at.step, at.best, at.best_epoch)
        self.train_metrics = EpochMetrics(self.task, self.device)
        self._save(["last", "best"] if better else ["last"])

    def _forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            outputs = self.model(inputs).float()
        return outputs, self.task.loss(outputs, targets)

    def _moved(self, batch: Batch) -> tuple[Tensor, Tensor]:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        inputs = batch.inputs.to(self.device, non_blocking=True).to(memory_format=layout)
        return inputs, batch.targets.to(self.device, non_blocking=True)

    def _check_finite(self, measured: dict[str, float]) -> None:
        """Raises TrainingError before weights of nan are saved; the last checkpoint stays good."""
        for name, value in measured.items():
            if not math.isfinite(value):
                self.report.metrics({"step": self.at.step, "epoch": self.at.epoch + 1, **measured})
                raise TrainingError(
                    f"{name} is {value} at step {self.at.step} (epoch {self.at.epoch + 1}); training cannot go on. "
                    "Mend: a lower learning_rate, or gradient_clip = 1.0"
                )

    def _record_step(self, measured: dict[str, float], images: int, waited: float, computed: float) -> None:
        at, steps = self.at, self.train_loader.steps
        if at.step % self.config.log_every == 0 or at.batch == steps:
            times = {"time/data": waited, "time/compute": computed, "images_per_second": images / (waited + computed)}
            self.report.metrics({"step": at.step, "epoch": at.epoch + 1, **measured, **times})
        if time.monotonic() - self._last_line >= _LINE_INTERVAL:
            self._last_line = time.monotonic()
            loss, accuracy = self.train_metrics.compute()
            self.report.line(
                f"epoch {at.epoch + 1}/{self.config.epochs}, batch {at.batch}/{steps}: train loss {loss:.4f}, "
                f"accuracy {accuracy:.3f}, {images / (waited + computed):,.0f} images/s"
            )

    def _out_of_patience(self) -> bool:
        at, patience = self.at, int(self.config.patience)
        over = patience > 0 and at.epoch - at.best_epoch >= patience
        if over:
            message = (
                f"stopped early after epoch {at.epoch}: the best valid/loss is {at.best:.4f} of epoch {at.best_epoch}"
            )
            self.report.line(message)
            self.report.event("stopped_early", message)
        return over

    def _save(self, names: list[str]) -> None:
        state = {
            "encoder": {"name": self.encoder.name, "origin": self.encoder.origin},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "position": asdict(self.at),
            "train_metrics": self.train_metrics.state_dict(),
        }
        checkpoint.save(self.run, names, state)
        self.report.event(
            "checkpoint", f"saved {' and '.join(names)}", epoch=self.at.epoch, step=self.at.step, best="best" in names
        )

    def _resume(self, saved: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint of this run does not fit its model: {error}") from None
        self.schedule.load_state_dict(saved["schedule"])
        self.train_metrics.load_state_dict(saved["train_metrics"])
        self.at = Position(**saved["position"])
        checkpoint.restore_random_state(saved)
        self.report.line(f"going on from the checkpoint at epoch {self.at.epoch + 1}, step {self.at.step}")

    def _loader(self, data: Data, training: bool) -> Loader:
        c = self.config
        return Loader(
            self.task.examples(data.train if training else data.valid, training),
            c.batch_size,
            seed=c.seed,
            shuffle=training,
            workers=c.num_workers,
            pin_memory=self.device.type == "cuda",
        )

    def _on_device(self, model: ImageModel) -> ImageModel:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        model = model.to(self.device).to(memory_format=layout)
        if self.config.compile:
            model.compile()
        return model

    def _warn_of(self, batch: Batch) -> None:
        for fault in batch.faults:
            self.report.warn(fault)

    def _gpu_memory(self) -> dict[str, float]:
        """torch's own peak: in a container NVML may not tell which process is ours."""
        return {"memory/gpu_peak": torch.cuda.max_memory_allocated(self.device)} if self.device.type == "cuda" else {}

    def _tell_plan(self, data: Data) -> None:
        c, parameters = self.config, sum(p.numel() for p in self.model.parameters())
        self.report.line(
            f"{c.task} on {c.data}: {len(data.train):,} training and {len(data.valid):,} validation images "
            f"of {c.image_size} px, {self.train_loader.steps:,} batches an epoch"
        )
        self.report.line(
            f"encoder {self.encoder.name} ({self.encoder.origin}), {c.head} head: {parameters:,} parameters "
            f"on {self.device}, {str(self.precision).removeprefix('torch.')}, {torch.get_num_threads()} threads"
        )
        self.report.event(
            "plan",
            epochs=c.epochs,
            steps_per_epoch=self.train_loader.steps,
            train_samples=len(data.train),
            valid_samples=len(data.valid),
            chance={f"{side}/{name}": v for side in ("train", "valid") for name, v in self.task.chance().items()},
            encoder=self.encoder.name,
            weights=self.encoder.origin,
            parameters=parameters,
            device=str(self.device),
            precision=str(self.precision).removeprefix("torch."),
        )

    def _tell_epoch(self, means: dict[str, float], valid: dict[str, float], better: bool) -> None:
        self._last_line = time.monotonic()
        seconds = means["time/epoch_train"] + valid["time/epoch_valid"]
        self.report.line(
            f"epoch {self.at.epoch + 1}/{self.config.epochs}: train loss {means['train/epoch_loss']:.4f}, "
            f"accuracy {means['train/epoch_accuracy']:.3f}; valid loss {valid['valid/loss']:.4f}, "
            f"accuracy {valid['valid/accuracy']:.3f}; {seconds:.1f} s{' (best so far)' if better else ''}"
        )


class _statistics_kept:
    """While this lasts, BatchNorm uses its running statistics: one image alone has no spread to normalise by."""

    def __init__(self, model: nn.Module, *, when: bool) -> None:
        norms = (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training)
        self._norms = list(norms) if when else []

    def __enter__(self) -> None:
        for norm in self._norms:
            norm.eval()

    def __exit__(self, *_exception: object) -> None:
        for norm in self._norms:
            norm.train()
