"""Batches of an epoch, from any of their positions on, made here or by worker processes.

A batch is asked for by (epoch, number), and everything random about it follows from these two and the seed. So the
number of workers changes the speed and nothing else.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from imgexp_tui.training.distributed.exit_report import signal_on_parent_exit
from imgexp_tui.training.integrity import RngFingerprint, worker_rng_fingerprint
from imgexp_tui.training.rng import RngPurpose, make_generator


class Batch(NamedTuple):
    """Inputs uint8 [n, 3, side, side]; targets as the task has them; a sentence for each unreadable image.

    Of several processes each has its part of a step's images. One that gets none has an image of another's, so that
    it can take part in the step; that `is_padding` and counts nothing.
    `rng_fingerprint` comes with the first one that a worker makes.
    """

    inputs: Tensor
    targets: Tensor
    read_errors: list[str]
    is_padding: bool = False
    rng_fingerprint: RngFingerprint | None = None

    @property
    def image_count(self) -> int:
        """How many images count."""
        return 0 if self.is_padding else len(self.targets)


class Examples(Protocol):
    """What a task makes of images."""

    @property
    def transforms(self) -> tuple[str, ...]:
        """Names of what is done to the images at random."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int], epoch: int) -> Batch: ...


class _BatchSampler(Sampler[tuple[int, int]]):
    """The batches to make next, as (epoch, number)."""

    def __init__(self, steps: int) -> None:
        self.steps, self.epoch, self.first_batch = steps, 0, 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, number) for number in range(self.first_batch, self.steps))

    def __len__(self) -> int:
        return self.steps - self.first_batch


class _BatchDataset(Dataset[Batch]):
    def __init__(
        self, examples: Examples, batch_size: int, seed: int, shuffle: bool, rank_and_size: tuple[int, int] = (0, 1)
    ) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._seed, self._shuffle = seed, shuffle
        self._rank, self._rank_count = rank_and_size
        self._cached_order: tuple[int, NDArray[np.int64]] | None = None
        self._started = False

    def __getitem__(self, batch_index: tuple[int, int]) -> Batch:
        drawn = None if self._started else worker_rng_fingerprint()
        self._started = True
        return self._make_batch(batch_index)._replace(rng_fingerprint=drawn)

    def _make_batch(self, batch_index: tuple[int, int]) -> Batch:
        epoch, number = batch_index
        start = number * self._batch_size
        whole = self._epoch_order(epoch)[start : start + self._batch_size].tolist()
        if own := whole[self._rank :: self._rank_count]:
            return self._examples.batch(own, epoch)
        return self._examples.batch(whole[:1], epoch)._replace(is_padding=True)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if self._cached_order is None or self._cached_order[0] != epoch:
            count = len(self._examples)
            shuffled = make_generator(self._seed, RngPurpose.ORDER, epoch).permutation(count)
            self._cached_order = epoch, shuffled if self._shuffle else np.arange(count)
        return self._cached_order[1]


class BatchLoader:
    """Every example once an epoch; the last batch may be smaller, and nothing is dropped.

    Attributes:
        steps: batches in an epoch.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        workers: int,
        pin_memory: bool,
        rank_and_size: tuple[int, int] = (0, 1),
    ) -> None:
        """
        Args:
            rank_and_size: number of this process, and how many share each batch.
        """
        self._example_count, self._batch_size = len(examples), batch_size
        self.steps = -(-len(examples) // batch_size)
        self._sampler = _BatchSampler(self.steps)
        self._loader = DataLoader(
            _BatchDataset(examples, batch_size, seed, shuffle, rank_and_size),
            batch_size=None,
            sampler=self._sampler,
            num_workers=workers,
            worker_init_fn=_init_worker,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            # The loader draws a seed for its workers; from torch's own stream that would change dropout.
            generator=torch.Generator(),
        )

    def images_in_batch(self, number: int) -> int:
        """How many images the batch of that number has, over all processes."""
        return min(self._batch_size, self._example_count - number * self._batch_size)

    def epoch_batches(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """The batches of `epoch_batches`, counted from 0, from number `first_batch` on."""
        self._sampler.epoch, self._sampler.first_batch = epoch, first_batch
        return iter(self._loader)


def _init_worker(_number: int) -> None:
    """In a worker: one thread, no life of its own, and it is the trainer that is asked to stop, not its workers."""
    signal_on_parent_exit(signal.SIGKILL)
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _ignore_connection_errors


def _ignore_connection_errors(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say nothing of a trainer that hung up while it was handed a tensor: why it did is in the log already.

    The thread that hands tensors over (multiprocessing.resource_sharer) gives all its errors to `sys.excepthook`; its
    traceback would be the log's last word on why the run failed.
    """
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
