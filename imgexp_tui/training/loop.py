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
from imgexp_tui.training.config import Config, unread
from imgexp_tui.training.data.datasets import Data, open_data
from imgexp_tui.training.data.loader import Batch, Examples, Loader
from imgexp_tui.training.device import choose_device, choose_precision, set_threads
from imgexp_tui.training.distributed.group import Group
from imgexp_tui.training.errors import Stopped, TrainingError
from imgexp_tui.training.gradient_norms import gradient_norms, layer_groups
from imgexp_tui.training.integrity import Answers, Fingerprint
from imgexp_tui.training.metrics import Counted, EpochMetrics, Spread
from imgexp_tui.training.model import encoders
from imgexp_tui.training.model.model import ImageModel, assemble
from imgexp_tui.training.optim import make_optimizer, make_schedule
from imgexp_tui.training.predictions import Given
from imgexp_tui.training.run_logger import Report
from imgexp_tui.training.shutdown import StopSignal
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

    def __init__(self, run: RunDir, config: Config, report: Report, stop: StopSignal, group: Group) -> None:
        self.run, self.config, self.report, self.stop, self.group = run, config, report, stop, group
        set_threads(config, group.size)
        torch.manual_seed(config.seed)
        np.random.seed(config.seed)  # for encoders of the user's
        self.device = choose_device(config, group.rank, group.size)
        self.precision = choose_precision(config, self.device)
        saved = checkpoint.load_last(run)
        self.encoder = self._encoder(saved)
        data = open_data(config, report, group)
        self.task = make_task(config, data)
        self.train_examples = self.task.examples(data.train, training=True)
        self.valid_examples = self.task.examples(data.valid, training=False)
        self.train_loader = self._loader(self.train_examples, shuffle=True)
        self.valid_loader = self._loader(self.valid_examples, shuffle=False)
        self.model = self._on_device(assemble(self.encoder, config, self.task.outputs))
        self.groups = layer_groups(self.model)
        self.optimizer = make_optimizer(self.model, config)
        self.schedule = make_schedule(self.optimizer, config, config.epochs * self.train_loader.steps)
        self.at = Position()
        self.train_metrics = EpochMetrics(self.task, self.device, group)
        self.given = Given(self.task, group)
        self._shared: nn.Module | None = None
        group.seed_apart(config.seed)
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
        model = self._share(frozen)
        self.model.train()
        self.model.encoder.train(not frozen)  # a frozen encoder keeps its BatchNorm statistics too
        batches = self.train_loader.epoch(self.at.epoch, self.at.batch)
        for _ in range(self.at.batch, self.train_loader.steps):
            self.group.check()
            start = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - start
            self._warn_of(batch)
            self._tell_draws(batch, "train")
            counted, measured = self._step(model, batch, waited)
            took = time.perf_counter() - start
            self.at.batch += 1
            self.at.seconds += took
            self._record_step(measured, counted, took)

    def _share(self, frozen: bool) -> nn.Module:
        """The model as it is trained in this epoch: with or without its encoder, together with the other processes."""
        parameters = list(self.model.encoder.parameters())
        changed = any(p.requires_grad == frozen for p in parameters)
        if self._shared is None or changed:
            self.model.encoder.requires_grad_(not frozen)
            side = self.config.image_size
            image, _ = self._moved(torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1))
            self._shared = None  # the former one lets go of the parameters
            self._shared = self.group.parallel(self.model, image)
        return self._shared

    def _step(self, model: nn.Module, batch: Batch, waited: float) -> tuple[Counted, dict[str, float]]:
        """One step of the optimizer. Returns what was counted of the whole batch, and measured on the way."""
        inputs, targets = self._moved(batch.inputs, batch.targets)
        rates = {f"learning_rate/{g['name']}": float(g["lr"]) for g in self.optimizer.param_groups}
        with _statistics_kept(self.model, when=len(targets) == 1):
            outputs, loss = self._forward(model, inputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        # The mean over processes of what is weighted so is the mean over the images of the whole batch.
        weight = batch.images * self.group.size / self.train_loader.images(self.at.batch)
        (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        self.at.step += 1
        probabilities = self.task.probabilities(outputs.detach())
        counted = self.train_metrics.measure(
            loss.detach(), probabilities, targets, counts=not batch.stands_in, waited=waited
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
        self.group.share_buffers(self.model)
        metrics, spread = EpochMetrics(self.task, self.device, self.group), Spread(self.group)
        self.given = Given(self.task, self.group)
        alike, fingerprint = Answers(self.group), Fingerprint(self.group)
        for batch in self.valid_loader.epoch(self.at.epoch):
            self.group.check()
            self._warn_of(batch)
            if batch.stands_in:
                metrics.add(metrics.together(Counted()))
                continue
            fingerprint.update(batch.inputs)
            inputs, targets = self._moved(batch.inputs, batch.targets)
            outputs, loss = self._forward(self.model, inputs, targets)
            probabilities = self.task.probabilities(outputs)
            metrics.add(metrics.measure(loss, probabilities, targets))
            spread.update(probabilities)
            alike.update(probabilities)
            self.given.update(batch.inputs, probabilities, targets)
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
        at, epoch = self.at, self.at.epoch + 1
        loss, accuracy = self.train_metrics.compute()
        means = {"train/epoch_loss": loss, "train/epoch_accuracy": accuracy, "time/epoch_train": at.seconds}
        self.report.metrics({"step": at.step, "epoch": epoch, **means, **valid, **self._gpu_memory()})
        self._check_finite(valid)
        better = valid["valid/loss"] < at.best
        if better:
            at.best, at.best_epoch = valid["valid/loss"], epoch
        self._keep_answers(["last", "best"] if better else ["last"])
        self._tell_epoch(means, valid, better)
        if at.epoch == 0:
            self._tell_unread()
        self.at = Position(epoch, 0, at.step, at.best, at.best_epoch)
        self.train_metrics = EpochMetrics(self.task, self.device, self.group)
        self._save(["last", "best"] if better else ["last"])

    def _forward(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            outputs = model(inputs).float()
        return outputs, self.task.loss(outputs, targets)

    def _moved(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        inputs = inputs.to(self.device, non_blocking=True).to(memory_format=layout)
        return inputs, targets.to(self.device, non_blocking=True)

    def _check_finite(self, measured: dict[str, float]) -> None:
        """Raises TrainingError before weights of nan are saved; the last checkpoint stays good."""
        for name, value in measured.items():
            if not math.isfinite(value):
                self.report.metrics({"step": self.at.step, "epoch": self.at.epoch + 1, **measured})
                raise TrainingError(
                    f"{name} is {value} at step {self.at.step} (epoch {self.at.epoch + 1}); training cannot go on. "
                    "Mend: a lower learning_rate, or gradient_clip = 1.0"
                )

    def _record_step(self, measured: dict[str, float], counted: Counted, took: float) -> None:
        at, steps, pace = self.at, self.train_loader.steps, counted.images / took
        if at.step % self.config.log_every == 0 or at.batch == steps:
            computed = max(0.0, took - counted.waited)
            times = {"time/data": counted.waited, "time/compute": computed, "images_per_second": pace}
            self.report.metrics({"step": at.step, "epoch": at.epoch + 1, **measured, **times})
        if time.monotonic() - self._last_line >= _LINE_INTERVAL:
            self._last_line = time.monotonic()
            loss, accuracy = self.train_metrics.compute()
            self.report.line(
                f"epoch {at.epoch + 1}/{self.config.epochs}, batch {at.batch}/{steps}: train loss {loss:.4f}, "
                f"accuracy {accuracy:.3f}, {pace:,.0f} images/s"
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
        random_states = self.group.gather(checkpoint.random_state(self.device))
        if self.group.leads:
            checkpoint.save(self.run, names, state, random_states)
        self.group.exchange()  # none goes on, or ends, before it is on the disk
        self.report.event(
            "checkpoint", f"saved {' and '.join(names)}", epoch=self.at.epoch, step=self.at.step, best="best" in names
        )

    def _keep_answers(self, names: list[str]) -> None:
        """Write down what the model answered. It can be made again, so that a full disk does not end the run."""
        found = self.given.compute(self.at.epoch + 1, self.at.step)
        if not self.group.leads:
            return
        try:
            for name in names:
                predictions.write(self.run, name, found)
        except OSError as error:
            self.report.warn(f"what the model answered could not be written: {error.strerror}")

    def _resume(self, saved: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint of this run does not fit its model: {error}") from None
        self.schedule.load_state_dict(saved["schedule"])
        self.train_metrics.load_state_dict(saved["train_metrics"])
        self.at = Position(**saved["position"])
        self.report.line(f"going on from the checkpoint at epoch {self.at.epoch + 1}, step {self.at.step}")
        self._resume_random(saved["random"])

    def _resume_random(self, states: list[dict[str, Any]]) -> None:
        rank, now, before = self.group.rank, self.group.size, len(states)
        if rank < before:
            checkpoint.restore_random_state(states[rank], self.device)
        else:
            self.group.seed_apart(self.config.seed, self.at.step)
        if now != before:
            new = f"; the random numbers of {now - before} of them are seeded anew" if now > before else ""
            self.report.line(f"this run was done in {_processes(before)} and goes on in {_processes(now)}{new}")

    def _encoder(self, saved: dict[str, Any] | None) -> encoders.Encoder:
        """A resumed run keeps its encoder, also where a hub is reached by now that was not at its start.

        Of several processes the first one loads the weights; `Group.parallel` gives them to the others.
        """
        if saved:
            return encoders.again(saved["encoder"], self.config)
        built = encoders.build(self.config, self.report) if self.group.leads else None
        told = self.group.from_first(lambda: {"name": built.name, "origin": built.origin} if built else {})
        return built or encoders.again(told, self.config)

    def _loader(self, examples: Examples, *, shuffle: bool) -> Loader:
        c = self.config
        return Loader(
            examples,
            c.batch_size,
            seed=c.seed,
            shuffle=shuffle,
            workers=c.num_workers,
            pin_memory=self.device.type == "cuda",
            part=(self.group.rank, self.group.size),
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

    def _tell_draws(self, batch: Batch, side: str) -> None:
        """What a worker's random numbers begin with; two that begin alike go on alike."""
        if batch.drawn:
            self.report.event("worker", side=side, epoch=self.at.epoch + 1, **asdict(batch.drawn))

    def _tell_unread(self) -> None:
        """The settings that a whole epoch did not ask for."""
        _ = self.config.patience  # asked for between epochs
        self.report.event("settings", unread=unread(self.config))

    def _gpu_memory(self) -> dict[str, float]:
        """torch's own peak: in a container NVML may not tell which process is ours."""
        if self.device.type != "cuda":
            return {}
        peaks = self.group.exchange([torch.cuda.max_memory_allocated(self.device)])
        return {"memory/gpu_peak": int(max(peak for (peak,) in peaks))}

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
        if self.group.size > 1:
            self.report.line(f"{self.group.size} processes share each batch of {c.batch_size} images")
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
            processes=self.group.size,
            transforms={"train": self.train_examples.transforms, "valid": self.valid_examples.transforms},
        )

    def _tell_epoch(self, means: dict[str, float], valid: dict[str, float], better: bool) -> None:
        self._last_line = time.monotonic()
        seconds = means["time/epoch_train"] + valid["time/epoch_valid"]
        self.report.line(
            f"epoch {self.at.epoch + 1}/{self.config.epochs}: train loss {means['train/epoch_loss']:.4f}, "
            f"accuracy {means['train/epoch_accuracy']:.3f}; valid loss {valid['valid/loss']:.4f}, "
            f"accuracy {valid['valid/accuracy']:.3f}; {seconds:.1f} s{' (best so far)' if better else ''}"
        )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


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
