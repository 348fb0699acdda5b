"""The training loop: set-up, then epochs of steps; each epoch ends with a validation and a checkpoint.

The neighbours: `tasks` (examples, loss, metrics), `forward`, `validation.evaluation`, `training_state` (what a
checkpoint holds), `training_log` (what is logged), `optim`, `data/` (images and batches; the random transforms, that is
augmentation, are in `data/patchwork`).

All that changes is in `TrainingState` and torch's generators, and both are in every checkpoint; the data follow from
(seed, epoch, batch number). So a resumed run continues as if it had never stopped.

Several processes may do one run together (`group`): each takes its part of every batch, and DistributedDataParallel
gives all of them the gradient that one process would have. The first one writes the record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.metric import request_judges
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training import checkpoint, optim
from imgexp_tui.training.config import Config
from imgexp_tui.training.data import datasets
from imgexp_tui.training.data.loader import Batch, BatchLoader, Examples
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.errors import StopRequested
from imgexp_tui.training.forward import ForwardPass
from imgexp_tui.training.gradient_norms import gradient_norms, layer_groups
from imgexp_tui.training.hardware import device
from imgexp_tui.training.metrics import BatchCounts, EpochMetrics
from imgexp_tui.training.model import encoders
from imgexp_tui.training.model import model as model_builder
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from imgexp_tui.training.tasks import make_task
from imgexp_tui.training.training_log import StepTimes, TrainingLog
from imgexp_tui.training.training_state import Position, TrainingState
from imgexp_tui.training.validation.evaluation import Evaluation, Evaluator, write_predictions

USED_SETTINGS = frozenset(
    (
        "seed", "task", "epochs", "batch_size", "num_workers", "channels_last", "compile",
        "freeze_epochs", "gradient_clip", "patience", "log_every",
    )
)  # fmt: skip


class Trainer:
    """One run from its settings to its last epoch."""

    def __init__(self, run: RunDir, config: Config, logger: RunLogger, stop: StopSignal, group: RankGroup) -> None:
        self.run, self.config, self.logger, self.stop, self.group = run, config, logger, stop, group
        self.judges = request_judges(Request.read(run))
        device.set_threads(config, group.size)
        torch.manual_seed(config.seed)
        np.random.seed(config.seed)  # for encoders of the user's
        self.device = device.choose_device(config, group.rank, group.size)
        precision = device.choose_precision(config, self.device)
        saved = checkpoint.load_last_checkpoint(run)
        encoder = self._make_encoder(saved)
        data = datasets.open_data(config, logger, group)
        self.task = make_task(config, data)
        self.train_examples = self.task.examples(data.train, training=True)
        self.valid_examples = self.task.examples(data.valid, training=False)
        self.train_loader = self._make_loader(self.train_examples, shuffle=True)
        self.valid_loader = self._make_loader(self.valid_examples, shuffle=False)
        self.forward = ForwardPass(self.task, self.device, precision, channels_last=config.channels_last)
        self.state = self._make_state(encoder)
        self.groups = layer_groups(self.state.model)
        self.evaluator = Evaluator(self.task, self.valid_loader, self.forward, logger, group)
        self._parallel_model: nn.Module | None = None
        group.seed_per_rank(config.seed)
        self.log = TrainingLog(config, logger, self.task, group, self.train_loader.steps)
        self.log.log_plan(data, (self.train_examples, self.valid_examples), self.state, self.device, precision)
        if saved:
            self.state.load(saved)
            self.state.load_random_state(saved["random"], self.device, group, config.seed)
            self.log.log_resume(self.state.position, len(saved["random"]))

    def fit(self) -> None:
        """Train until the last epoch, or until the judged metric has not improved for `patience` epochs.

        Raises:
            StopRequested: the run was asked to end; a checkpoint was saved.
            TrainingError: the loss is not finite.
        """
        self.stop.defer()
        try:
            while self.state.position.epoch < self.config.epochs and not self._is_out_of_patience():
                self._train_epoch()
                self._end_epoch(self.evaluator.evaluate(self.state.model, self.state.position.epoch))
        except StopRequested:
            self._save_checkpoint(["last"])
            raise

    def used_settings(self) -> frozenset[str]:
        """The names of the settings that this training uses; the others have no effect on it."""
        return USED_SETTINGS.union(
            device.USED_SETTINGS,
            datasets.used_settings(self.config),
            self.task.used_settings,
            encoders.used_settings(self.config, self.state.encoder.name),
            model_builder.USED_SETTINGS,
            optim.used_settings(self.state.model, self.config),
        )

    def _train_epoch(self) -> None:
        at = self.state.position
        frozen = at.epoch < self.config.freeze_epochs
        model = self._model_for_epoch(frozen)
        self.state.model.train()
        self.state.model.encoder.train(not frozen)  # a frozen encoder keeps its BatchNorm statistics too
        batches = self.train_loader.epoch_batches(at.epoch, at.batch)
        for _ in range(at.batch, self.train_loader.steps):
            self.group.raise_if_stopped()
            start = time.perf_counter()
            batch = next(batches)
            data_wait = time.perf_counter() - start
            self.log.log_train_batch(at, batch)
            counts, measured = self._step(model, batch, data_wait)
            duration = time.perf_counter() - start
            at.batch += 1
            at.seconds += duration
            times = StepTimes(counts.images, counts.data_wait, duration)
            self.log.log_step(at, measured, times, self.state.train_metrics)

    def _model_for_epoch(self, frozen: bool) -> nn.Module:
        """The model as it is trained in this epoch: with or without its encoder, together with the other processes."""
        encoder = self.state.model.encoder
        changed = any(p.requires_grad == frozen for p in list(encoder.parameters()))
        if self._parallel_model is None or changed:
            encoder.requires_grad_(not frozen)
            side = self.config.image_size
            image, _ = self.forward.to_device(torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1))
            self._parallel_model = None  # releases the parameters from the former one first
            self._parallel_model = self.group.wrap_data_parallel(self.state.model, image)
        return self._parallel_model

    def _step(self, model: nn.Module, batch: Batch, data_wait: float) -> tuple[BatchCounts, dict[str, float]]:
        """One step of the optimizer. Returns the counts of the whole batch, and the metrics as they are recorded."""
        state = self.state
        inputs, targets = self.forward.to_device(batch.inputs, batch.targets)
        rates = {f"learning_rate/{g['name']}": float(g["lr"]) for g in state.optimizer.param_groups}
        with _FrozenBatchNorm(state.model, enabled=len(targets) == 1):
            outputs, loss = self.forward.compute(model, inputs, targets)
        state.optimizer.zero_grad(set_to_none=True)
        # The mean over processes of losses with these weights is the mean over the images of the whole batch.
        weight = batch.image_count * self.group.size / self.train_loader.images_in_batch(state.position.batch)
        (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        state.position.step += 1
        probabilities = self.task.probabilities(outputs.detach())
        counts = state.train_metrics.measure_batch(
            loss.detach(), probabilities, targets, count_own=not batch.is_padding, data_wait=data_wait
        )
        means = {f"train/{name}": value for name, value in state.train_metrics.batch_means(counts).items()}
        measured = {"train/loss": means["train/loss"], **rates, **gradient_norms(self.groups)}
        self.log.check_finite(state.position, measured)
        if self.config.gradient_clip:
            clip_grad_norm_(state.model.parameters(), self.config.gradient_clip)
        state.optimizer.step()
        state.schedule.step()
        state.train_metrics.add(counts)
        return counts, measured | means

    def _end_epoch(self, evaluation: Evaluation) -> None:
        at, valid = self.state.position, evaluation.metrics
        train = self.state.train_metrics.compute()
        means = {f"train/epoch_{name}": value for name, value in train.items()}
        memory = device.peak_gpu_memory(self.device, self.group)
        self.log.record_epoch(at, {**means, "time/epoch_train": at.seconds, **valid, **memory})
        self.log.check_finite(at, valid)
        is_best = self._note_best({**{f"train/{name}": value for name, value in train.items()}, **means, **valid})
        names = ["last", "best"] if is_best else ["last"]
        answers = evaluation.predictions.compute(at.epoch + 1, at.step)
        if self.group.is_main_process:
            write_predictions(self.run, names, answers, self.logger)
        self.log.log_epoch(at, train, valid, is_best=is_best)
        if at.epoch == 0:
            self.log.log_unread_settings(self.used_settings())
        self.state.position = Position(at.epoch + 1, 0, at.step, at.best, at.best_epoch)
        self.state.train_metrics = EpochMetrics(self.task, self.device, self.group)
        self._save_checkpoint(names)

    def _note_best(self, measured: Mapping[str, float]) -> bool:
        """Note the value of the judged metric where it is the best so far, and return whether it is.

        `train/loss` and the like judge by their means over the epoch, the same as `train/epoch_loss`.
        A metric that this task does not record cannot judge: the default one does, and a warning says so.
        """
        at = self.state.position
        judge = next(one for one in self.judges if one.metric in measured)
        if judge != self.judges[0]:
            missing = self.judges[0].metric
            self.logger.log_warning(f"{missing}, the judge of this version, is not measured; {judge.metric} judges")
            self.judges = (judge,)
        value = measured[judge.metric]
        if at.best_epoch and not judge.goal.is_better(value, at.best):
            return False
        at.best, at.best_epoch = value, at.epoch + 1
        return True

    def _is_out_of_patience(self) -> bool:
        at, patience = self.state.position, self.config.patience
        over = patience > 0 and at.epoch - at.best_epoch >= patience
        if over:
            self.log.log_early_stop(at, self.judges[0].metric)
        return over

    def _save_checkpoint(self, names: list[str]) -> None:
        self.state.save(self.run, names, self.device, self.group)
        self.log.log_checkpoint(self.state.position, names)

    def _make_encoder(self, saved: dict[str, Any] | None) -> encoders.Encoder:
        """The encoder of a new run, or that of the checkpoint even if a hub is reached now that was not at its start.

        Of several processes the first one loads the weights; `RankGroup.wrap_data_parallel` gives them to the others.
        """
        if saved:
            return encoders.rebuild_saved_encoder(saved["encoder"], self.config)
        built = encoders.build_encoder(self.config, self.logger) if self.group.is_main_process else None
        first = self.group.broadcast_from_first(lambda: {"name": built.name, "origin": built.origin} if built else {})
        return built or encoders.rebuild_saved_encoder(first, self.config)

    def _make_loader(self, examples: Examples, *, shuffle: bool) -> BatchLoader:
        return BatchLoader(
            examples,
            self.config.batch_size,
            seed=self.config.seed,
            shuffle=shuffle,
            workers=self.config.num_workers,
            pin_memory=self.device.type == "cuda",
            rank_and_size=(self.group.rank, self.group.size),
        )

    def _make_state(self, encoder: encoders.Encoder) -> TrainingState:
        model = model_builder.build_model(encoder, self.config, self.task.outputs)
        self.forward.model_to_device(model)
        if self.config.compile:
            model.compile()
        optimizer = optim.make_optimizer(model, self.config)
        schedule = optim.make_schedule(optimizer, self.config, self.config.epochs * self.train_loader.steps)
        return TrainingState(encoder, model, optimizer, schedule, EpochMetrics(self.task, self.device, self.group))


class _FrozenBatchNorm:
    """A context in which BatchNorm uses its running statistics: one image alone has no spread to normalise by."""

    def __init__(self, model: nn.Module, *, enabled: bool) -> None:
        norms = (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training)
        self._norms = list(norms) if enabled else []

    def __enter__(self) -> None:
        for norm in self._norms:
            norm.eval()

    def __exit__(self, *_exception: object) -> None:
        for norm in self._norms:
            norm.train()
