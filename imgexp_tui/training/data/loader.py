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

from imgexp_tui.training.distributed.exit_report import end_with_parent
from imgexp_tui.training.integrity import Draws, draws
from imgexp_tui.training.rng import Purpose, stream


class Batch(NamedTuple):
    """Inputs uint8 [n, 3, side, side]; targets as the task has them; a sentence for each unreadable image.

    Of several processes each has its part of a step's images. One that gets none has an image of another's, so that
    it can take part in the step; that `stands_in` and counts nothing.
    `drawn` comes with the first one that a worker makes.
    """

    inputs: Tensor
    targets: Tensor
    faults: list[str]
    stands_in: bool = False
    drawn: Draws | None = None

    @property
    def images(self) -> int:
        """How many images count."""
        return 0 if self.stands_in else len(self.targets)


class Examples(Protocol):
    """What a task makes of images."""

    @property
    def transforms(self) -> tuple[str, ...]:
        """Names of what is done to the images at random."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int], epoch: int) -> Batch: ...


class _Places(Sampler[tuple[int, int]]):
    """The batches to make next, as (epoch, number)."""

    def __init__(self, steps: int) -> None:
        self.steps, self.epoch, self.first = steps, 0, 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, number) for number in range(self.first, self.steps))

    def __len__(self) -> int:
        return self.steps - self.first


class _Batches(Dataset[Batch]):
    def __init__(
        self, examples: Examples, batch_size: int, seed: int, shuffle: bool, part: tuple[int, int] = (0, 1)
    ) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._seed, self._shuffle = seed, shuffle
        self._rank, self._ranks = part
        self._ordered: tuple[int, NDArray[np.int64]] | None = None
        self._begun = False

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        drawn = None if self._begun else draws()
        self._begun = True
        return self._made(place)._replace(drawn=drawn)

    def _made(self, place: tuple[int, int]) -> Batch:
        epoch, number = place
        start = number * self._batch_size
        whole = self._order(epoch)[start : start + self._batch_size].tolist()
        if own := whole[self._rank :: self._ranks]:
            return self._examples.batch(own, epoch)
        return self._examples.batch(whole[:1], epoch)._replace(stands_in=True)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._ordered is None or self._ordered[0] != epoch:
            count = len(self._examples)
            shuffled = stream(self._seed, Purpose.ORDER, epoch).permutation(count)
            self._ordered = epoch, shuffled if self._shuffle else np.arange(count)
        return self._ordered[1]


class Loader:
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
        part: tuple[int, int] = (0, 1),
    ) -> None:
        """
        Args:
            part: number of this process, and how many share each batch.
        """
        self._count, self._batch_size = len(examples), batch_size
        self.steps = -(-len(examples) // batch_size)
        self._places = _Places(self.steps)
        self._loader = DataLoader(
            _Batches(examples, batch_size, seed, shuffle, part),
            batch_size=None,
            sampler=self._places,
            num_workers=workers,
            worker_init_fn=_prepare_worker,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            # The loader draws a seed for its workers; from torch's own stream that would change dropout.
            generator=torch.Generator(),
        )

    def images(self, number: int) -> int:
        """How many images the batch of that number has, over all processes."""
        return min(self._batch_size, self._count - number * self._batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of `epoch`, counted from 0, from number `first` on."""
        self._places.epoch, self._places.first = epoch, first
        return iter(self._loader)


def _prepare_worker(_number: int) -> None:
    """In a worker: one thread, no life of its own, and it is the trainer that is asked to stop, not its workers."""
    end_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _but_for_hang_ups


def _but_for_hang_ups(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say nothing of a trainer that hung up while it was handed a tensor: why it did is in the log already.

    The thread that hands tensors over (multiprocessing.resource_sharer) gives all its errors to `sys.excepthook`; its
    traceback would be the log's last word on why the run failed.
    """
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
