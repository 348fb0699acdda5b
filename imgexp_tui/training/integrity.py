"""Fingerprints that make silent faults visible in a run's record.

They cover the images of a validation, the workers' random numbers, and how many images get the same answer. None of
them draws a random number, and each costs far less than a step.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from imgexp_tui.training.distributed.group import SINGLE_PROCESS, RankGroup

_PIXEL_STRIDE = 4
"""A fingerprint takes every 4th pixel in each direction: enough to see a changed patch, at 1/16 of the work."""
_MODULUS = 1 << 32


class InputFingerprint:
    """One number for the pixels of a whole epoch: the same images give the same number, in any order."""

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._sum, self._group = 0, group

    def update(self, inputs: Tensor) -> None:
        """Add a batch, uint8 [n, c, height, width], on the CPU."""
        sampled = inputs[..., ::_PIXEL_STRIDE, ::_PIXEL_STRIDE].contiguous().numpy()
        self._sum = (self._sum + sum(map(zlib.crc32, sampled))) % _MODULUS

    def compute(self) -> int:
        """The number over all processes, from 0 to 2 to the power of 32, exclusive."""
        return int(sum(row[0] for row in self._group.exchange([self._sum]))) % _MODULUS


class AnswerCounts:
    """The share of images that get the commonest answer: 1.0 means that the model answers the same to every image."""

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._counts: Counter[int] = Counter()
        self._group = group

    def update(self, probabilities: Tensor) -> None:
        """Add a batch of soft predictions, [n, k]."""
        is_multiclass = probabilities.shape[1] > 1
        self._counts.update((probabilities.argmax(1) if is_multiclass else probabilities[:, 0] > 0.5).tolist())

    def largest_share(self) -> float:
        """The share over all processes, between 1 / k and 1."""
        counts = sum(self._group.gather(self._counts), Counter[int]())
        return max(counts.values(), default=0) / max(1, counts.total())


@dataclass(frozen=True, slots=True)
class RngFingerprint:
    """Fingerprints of the states of a data loader worker's generators; equal states give equal numbers."""

    worker: int
    python: int
    numpy: int
    torch: int


def worker_rng_fingerprint() -> RngFingerprint | None:
    """The fingerprint of this process, or None if it is not a worker. It draws no number."""
    worker = get_worker_info()
    if worker is None:
        return None
    return RngFingerprint(
        worker.id,
        zlib.crc32(repr(random.getstate()).encode()),
        zlib.crc32(repr(np.random.get_state()).encode()),
        zlib.crc32(torch.get_rng_state().numpy().tobytes()),
    )
