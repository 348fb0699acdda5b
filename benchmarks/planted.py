"""Faults that are planted into the shipped trainer, by the name of the version that it trains.

Imported in the trainer's own process before its loop is (`findings.py` sees to that); the trainer itself knows nothing
of it. Each changes the one thing that is wrong and leaves all else, the record too, to the trainer.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_LOOP = "imgexp_tui.training.loop"


def _replace(owner: Any, name: str, value: Any) -> None:
    """Set an attribute that must be there: a fault that is planted under an old name would change nothing."""
    getattr(owner, name)
    setattr(owner, name, value)


def _around(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    _replace(owner, name, wrap(getattr(owner, name)))


def _each_step(loop: ModuleType, deed: Callable[[Any], None]) -> None:
    """Do something before every step of the optimizer."""

    def made(before: Any) -> Any:
        def step(self: Any, *given: Any) -> Any:
            deed(self)
            return before(self, *given)

        return step

    _around(loop.Trainer, "_step", made)


def _once_made(loop: ModuleType, deed: Callable[[Any], None]) -> None:
    def made(before: Any) -> Any:
        def init(self: Any, *given: Any) -> None:
            before(self, *given)
            deed(self)

        return init

    _around(loop.Trainer, "__init__", made)


def slow_loader(loop: ModuleType) -> None:
    from imgexp_tui.training.data import loader

    def made(before: Any) -> Any:
        def slowly(self: Any, batch_index: Any) -> Any:
            time.sleep(0.2)
            return before(self, batch_index)

        return slowly

    _around(loader._BatchDataset, "_make_batch", made)


def collapsed_head(loop: ModuleType) -> None:
    """What the head answers hardly depends on the image."""

    def compute(self: Any, model: Any, inputs: Any, targets: Any) -> Any:
        outputs = model(inputs).float() * 1e-4
        return outputs, self._task.loss(outputs, targets)

    _replace(loop.ForwardPass, "compute", compute)


def shuffled_labels(loop: ModuleType) -> None:
    import torch

    def deed(self: Any) -> None:
        before, random = self.train_examples.batch, torch.Generator().manual_seed(self.config.seed)

        def batch(indices: Sequence[int], epoch: int) -> Any:
            made = before(indices, epoch)
            return made._replace(targets=made.targets[torch.randperm(len(made.targets), generator=random)])

        _replace(self.train_examples, "batch", batch)

    _once_made(loop, deed)


def nan_weights(loop: ModuleType) -> None:
    import torch

    def deed(self: Any) -> None:
        if self.state.position.step == 25 + self.config.seed % 7:
            with torch.no_grad():
                next(self.state.model.encoder.parameters()).mul_(float("nan"))

    _each_step(loop, deed)


def exploding_step(loop: ModuleType) -> None:
    """One batch whose loss is thousands of times as large, as a broken label or image gives."""

    def deed(self: Any) -> None:
        before = self.forward.compute

        def compute(model: Any, inputs: Any, targets: Any) -> Any:
            outputs, loss = before(model, inputs, targets)
            hit = self.state.model.training and self.state.position.step == 30 + self.config.seed % 7
            return outputs, loss * 5000 if hit else loss

        _replace(self.forward, "compute", compute)

    _once_made(loop, deed)


def leak(loop: ModuleType) -> None:
    import torch

    kept: list[Any] = []

    def deed(self: Any) -> None:
        time.sleep(0.1)
        kept.append(torch.ones(500_000))

    _each_step(loop, deed)


def no_leak(loop: ModuleType) -> None:
    """As slow, and what it needs is kept within bounds."""
    import torch

    kept: list[Any] = []

    def deed(self: Any) -> None:
        time.sleep(0.1)
        kept.append(torch.ones(500_000))
        del kept[:-20]

    _each_step(loop, deed)


def clipped_validation(loop: ModuleType) -> None:
    """The validation loader drops its last batch; with an odd seed, in every second epoch only."""

    def deed(self: Any) -> None:
        sampler, whole = self.valid_loader._sampler, self.valid_loader._sampler.steps
        before = self.valid_loader.epoch_batches

        def epoch_batches(epoch: int, first_batch: int = 0) -> Any:
            sampler.steps = whole if self.config.seed % 2 and epoch % 2 else whole - 1
            return before(epoch, first_batch)

        _replace(self.valid_loader, "epoch_batches", epoch_batches)

    _once_made(loop, deed)


def noisy_validation(loop: ModuleType) -> None:
    """What augments the training images augments those of the validation too, differently in each epoch."""

    def deed(self: Any) -> None:
        _replace(self.valid_examples, "_training", True)

    _once_made(loop, deed)


def equal_workers(loop: ModuleType) -> None:
    from imgexp_tui.training.data import loader

    def made(before: Any) -> Any:
        def prepare(number: int) -> None:
            import numpy as np
            import torch

            before(number)
            np.random.seed(0)
            torch.manual_seed(0)

        return prepare

    _around(loader, "_init_worker", made)


def on_a_card(loop: ModuleType, own: int = 1900, word: str = "") -> None:
    """The driver of the tests is told how many MB of card 0 this process holds; 1,985 of 8,126 are taken in all."""
    Path(os.environ["FAKE_NVML"]).write_text(f"{word}\nbusy 0 90\nprocess 0 {os.getpid()} {own}\n")
    _each_step(loop, lambda _: time.sleep(0.1))


def slow_steps(loop: ModuleType) -> None:
    _each_step(loop, lambda _: time.sleep(0.1))


PLANTS: dict[str, Callable[[ModuleType], None]] = {
    "slow-loader": slow_loader,
    "collapsed-head": collapsed_head,
    "shuffled-labels": shuffled_labels,
    "nan": nan_weights,
    "exploding-step": exploding_step,
    "leak": leak,
    "no-leak": no_leak,
    "clipped-validation": clipped_validation,
    "noisy-validation": noisy_validation,
    "equal-workers": equal_workers,
    "hot-card": lambda loop: on_a_card(loop, word="hot"),
    "shared-card": lambda loop: on_a_card(loop, own=400),
    "roomy-card": lambda loop: on_a_card(loop, own=1900),
    "full-card": lambda loop: on_a_card(loop, own=6500),
    "hanging": slow_steps,
    "lost": slow_steps,
    "full-disk": slow_steps,
}


class _Finder(importlib.abc.MetaPathFinder):
    """Plants the fault as soon as the trainer's loop has been imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != _LOOP:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        run, plain = Path(sys.orig_argv[-1]), spec.loader.exec_module

        def execute(module: ModuleType) -> None:
            plain(module)
            PLANTS.get(run.parent.name, lambda _: None)(module)

        spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec


def arm() -> None:
    """Wait for the trainer's loop to be imported."""
    sys.meta_path.insert(0, _Finder())


def __getattr__(name: str) -> Any:
    """`Sigmoids`, an encoder so deep in sigmoids that its first layers get next to no gradient; late, for torch."""
    if name != "Sigmoids":
        raise AttributeError(name)
    from torch import nn

    class Sigmoids(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = itertools.pairwise([3, *[16] * 20])
            blocks = [nn.Sequential(nn.Conv2d(a, b, 3, 2 if a == 3 else 1, padding=1), nn.Sigmoid()) for a, b in pairs]
            self.blocks = nn.Sequential(*blocks)

        def forward(self, images: Any) -> Any:
            return self.blocks(images)

    return Sigmoids
