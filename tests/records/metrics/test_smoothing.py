"""The moving average: the same as one reckoned value by value, whatever is missing."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from imgexp_tui.records.metrics.smoothing import smoothed


def slow(values: list[float], strength: float) -> list[float]:
    total = weight = 0.0
    out = []
    for value in values:
        fine = math.isfinite(value)
        total, weight = strength * total + (value if fine else 0.0), strength * weight + fine
        out.append(total / weight if weight else math.nan)
    return out


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("strength", [0.6, 0.99])
def test_it_is_what_it_is_value_by_value(count: int, strength: float) -> None:
    dice = random.Random(count)
    values = [
        math.nan if dice.random() < 0.1 else math.inf if dice.random() < 0.05 else dice.random() for _ in range(count)
    ]
    assert smoothed(np.array(values), strength).tolist() == pytest.approx(slow(values, strength), nan_ok=True)


def test_it_begins_with_the_first_value_and_not_with_nothing() -> None:
    assert smoothed(np.full(10, 5.0), 0.999).tolist() == pytest.approx([5.0] * 10)


def test_a_long_hole_is_bridged_or_told() -> None:
    values = np.array([1.0, *[math.nan] * 100_000, 2.0])
    found = smoothed(values, 0.6)
    assert found[1] == 1.0
    assert found[-1] == 2.0
