"""Makes the batches of an epoch, from any batch on, in this process or in worker processes.

A batch is identified by (epoch, number), and all random choices in it follow from these two and the seed. So the
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
    """The images of one step, or the part of them that one of several processes gets.

    Attributes:
        inputs: uint8 [n, 3, side, side].
        targets: in the task's form.
        read_errors: a sentence for each unreadable image.
        is_padding: whether the image here belongs to another process and does not count: this process has no image of
            its own, and must take part in the step all the same.
        rng_fingerprint: set in the first batch that a worker makes.
    """

    inputs: Tensor
    targets: Tensor
    read_errors: list[str]
    is_padding: bool = False
    rng_fingerprint: RngFingerprint | None = None

    @property
    def image_count(self) -> int:
        """How many of the images count."""
        return 0 if self.is_padding else len(self.targets)


class Examples(Protocol):
    """The inputs and targets that a task makes from images."""

    @property
    def transforms(self) -> tuple[str, ...]:
        """The names of the random transforms of the images."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int], epoch: int) -> Batch: ...


class _BatchSampler(Sampler[tuple[int, int]]):
    """Yields the batches to make next, as (epoch, number)."""

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
        fingerprint = None if self._started else worker_rng_fingerprint()
        self._started = True
        return self._make_batch(batch_index)._replace(rng_fingerprint=fingerprint)

    def _make_batch(self, batch_index: tuple[int, int]) -> Batch:
        epoch, number = batch_index
        start = number * self._batch_size
        full_batch = self._epoch_order(epoch)[start : start + self._batch_size].tolist()
        if own := full_batch[self._rank :: self._rank_count]:
            return self._examples.batch(own, epoch)
        return self._examples.batch(full_batch[:1], epoch)._replace(is_padding=True)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if self._cached_order is None or self._cached_order[0] != epoch:
            count = len(self._examples)
            shuffled = make_generator(self._seed, RngPurpose.ORDER, epoch).permutation(count)
            self._cached_order = epoch, shuffled if self._shuffle else np.arange(count)
        return self._cached_order[1]


class BatchLoader:
    """Yields each example once an epoch; the last batch may be smaller, and nothing is dropped.

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
            rank_and_size: the number of this process, from 0, and how many processes share each batch.
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
            # The loader draws a seed for its workers; from torch's global stream that would change dropout.
            generator=torch.Generator(),
        )

    def images_in_batch(self, number: int) -> int:
        """How many images batch `number` has, over all processes."""
        return min(self._batch_size, self._example_count - number * self._batch_size)

    def epoch_batches(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `first_batch` on; both are counted from 0."""
        self._sampler.epoch, self._sampler.first_batch = epoch, first_batch
        return iter(self._loader)


def _init_worker(_number: int) -> None:
    """Set up a worker: one thread, ends with the trainer, and ignores signals to stop, which the trainer handles."""
    signal_on_parent_exit(signal.SIGKILL)
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _ignore_connection_errors


def _ignore_connection_errors(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print nothing if the trainer closes the connection while it receives a tensor: the log has the reason already.

    The thread that sends tensors (multiprocessing.resource_sharer) passes all its errors to `sys.excepthook`. Its
    traceback would be the last lines of the log and hide the reason why the run failed.
    """
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
