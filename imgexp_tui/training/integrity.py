"""What a run tells of itself so that silent faults can be found in its record: what validation looked at, which random
numbers the workers would draw, how many images got the same answer.

None of it draws a random number, and each costs far less than a step.
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
"""Every so many pixels in each direction count for a fingerprint: a changed patch shows, at a 16th of the work."""
_MODULUS = 1 << 32


class InputFingerprint:
    """One number for the pixels of a whole epoch, whatever the order of its images: the same images give the same."""

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._sum, self._group = 0, group

    def update(self, inputs: Tensor) -> None:
        """Take in a batch, uint8 [n, c, height, width], on the CPU."""
        few = inputs[..., ::_PIXEL_STRIDE, ::_PIXEL_STRIDE].contiguous().numpy()
        self._sum = (self._sum + sum(map(zlib.crc32, few))) % _MODULUS

    def compute(self) -> int:
        """Below 2 to the power of 32."""
        return int(sum(row[0] for row in self._group.exchange([self._sum]))) % _MODULUS


class AnswerCounts:
    """How many images got the answer that most got: 1.0 says that the model answers the same to every image."""

    def __init__(self, group: RankGroup = SINGLE_PROCESS) -> None:
        self._counts: Counter[int] = Counter()
        self._group = group

    def update(self, probabilities: Tensor) -> None:
        """Take in a batch of soft predictions, [n, k]."""
        several = probabilities.shape[1] > 1
        self._counts.update((probabilities.argmax(1) if several else probabilities[:, 0] > 0.5).tolist())

    def largest_share(self) -> float:
        """Between 1 / k and 1."""
        counts = sum(self._group.gather(self._counts), Counter[int]())
        return max(counts.values(), default=0) / max(1, counts.total())


@dataclass(frozen=True, slots=True)
class RngFingerprint:
    """Fingerprints of what a data loader worker's generators will give next."""

    worker: int
    python: int
    numpy: int
    torch: int


def worker_rng_fingerprint() -> RngFingerprint | None:
    """Of this process, where it is a worker; the generators stay as they are."""
    worker = get_worker_info()
    if worker is None:
        return None
    return RngFingerprint(
        worker.id,
        zlib.crc32(repr(random.getstate()).encode()),
        zlib.crc32(repr(np.random.get_state()).encode()),
        zlib.crc32(torch.get_rng_state().numpy().tobytes()),
    )
