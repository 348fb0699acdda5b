"""Random generators for data order and augmentation, as functions of (seed, purpose, epoch).

Data order and patches use these generators only. So they do not depend on which worker process makes a batch, they
differ between epochs, and a resumed run continues with the batches that it would have had without a stop.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RngPurpose(IntEnum):
    """What random numbers are used for; each purpose has an independent stream."""

    ORDER = 1
    TRAIN_PATCHES = 2
    VALID_PATCHES = 3
    SUBSET = 4


def make_generator(seed: int, purpose: RngPurpose, epoch: int = 0) -> np.random.Generator:
    """A fresh generator; the same arguments give the same numbers."""
    return np.random.default_rng([seed, int(purpose), epoch])
