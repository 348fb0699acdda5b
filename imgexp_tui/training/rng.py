"""Random numbers as functions of (seed, purpose, epoch).

Data order and patches are drawn from here and from nothing else. So they are the same whichever worker process makes a
batch, differ between epochs, and a resumed run goes on with the very batches that it would have had.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RngPurpose(IntEnum):
    """What the numbers are for: one independent stream each."""

    ORDER = 1
    TRAIN_PATCHES = 2
    VALID_PATCHES = 3
    SUBSET = 4


def make_generator(seed: int, purpose: RngPurpose, epoch: int = 0) -> np.random.Generator:
    """A fresh generator; the same arguments give the same numbers."""
    return np.random.default_rng([seed, int(purpose), epoch])
