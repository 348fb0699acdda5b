"""Computes exponential moving averages; a million values take hundredths of a second."""

from __future__ import annotations

import numpy as np

from imgexp_tui.records.metrics.minmax import Floats

_BLOCK_LENGTH = 64


def smoothed(values: Floats, strength: float) -> Floats:
    """The exponential moving average, debiased: it begins with the first value, not with 0.

    Values that are not finite have no weight; before the first finite value the average is nan.

    Args:
        strength: the weight of the average so far, from 0 to below 1.
    """
    fine = np.isfinite(values)
    total = _decayed_sums(np.where(fine, values, 0.0), strength)
    weight = _decayed_sums(fine.astype(np.float64), strength)
    # Many broken values in a row bring the weight down to nothing, and the average with it.
    known = weight > 1e-200
    return np.where(known, total / np.where(known, weight, 1.0), np.nan)


def _decayed_sums(values: Floats, strength: float) -> Floats:
    """`out[i] = strength * out[i - 1] + values[i]`, computed for all rows of a table at once, then from row to row."""
    count = len(values)
    length = max(1, min(_BLOCK_LENGTH, count))
    rows = -(-count // length)
    table = np.zeros((length, rows))
    table.T.flat[:count] = values
    for i in range(1, length):
        table[i] += strength * table[i - 1]
    carried, far = np.zeros(rows), strength**length
    ends = table[-1].tolist()
    total = 0.0
    for row in range(1, rows):
        total = total * far + ends[row - 1]
        carried[row] = total
    table += carried * (strength ** np.arange(1, length + 1))[:, None]
    out: Floats = table.T.ravel()[:count]
    return out
