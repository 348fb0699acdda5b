"""The few statistics that the rules need: an exact binomial tail, a robust slope, a rank test, Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

_MOST = 60
"""Points that a slope is taken over: its cost grows with their square, and neighbours in time tell little new."""
_Z95 = 1.96
_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t for a two-sided 95 %, 1 to 10 degrees of freedom; any table has it."""


@lru_cache(maxsize=4096)
def binomial_tail(right: int, count: int, chance: float) -> float:
    """How likely at least `right` of `count` come out where each has this `chance`: exact, one-sided."""
    if right <= 0 or chance >= 1:
        return 1.0
    if right > count or chance <= 0:
        return 0.0
    if right <= count * chance:  # the smaller side is the quicker one
        return max(0.0, 1.0 - _sum(range(right - 1, -1, -1), count, chance))
    return min(1.0, _sum(range(right, count + 1), count, chance))


def _sum(counts: range, count: int, chance: float) -> float:
    """The probabilities of `counts`, which lead away from the most likely one, until they add nothing."""
    total = 0.0
    for k in counts:
        choose = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        term = math.exp(choose + k * math.log(chance) + (count - k) * math.log1p(-chance))
        total += term
        if term < total * 1e-15:
            break
    return total


def thinned(x: Sequence[float], y: Sequence[float], most: int = _MOST) -> tuple[list[float], list[float]]:
    """At most `most` points: the medians of stretches of equal length."""
    size = max(1, -(-len(x) // most))
    starts = range(0, len(x), size)
    return [median(x[i : i + size]) for i in starts], [median(y[i : i + size]) for i in starts]


def slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """The median of all pairwise slopes, with its 95 % confidence interval (Theil 1950, Sen 1968); at least 3 points.

    Up to 29 % of the points may be arbitrary without moving it.
    """
    x, y = thinned(x, y)
    n = len(x)
    found = sorted((y[j] - y[i]) / (x[j] - x[i]) for i in range(n) for j in range(i + 1, n) if x[j] != x[i])
    if not found:
        return 0.0, 0.0, 0.0
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(found) - spread) / 2))
    high = min(len(found) - 1, math.ceil((len(found) + spread) / 2))
    return median(found), found[low], found[high]


def falls(values: Sequence[float]) -> float:
    """How likely values without a trend would fall as steadily (Mann-Kendall, one-sided, normal approximation)."""
    n = len(values)
    if n < 4:
        return 1.0
    score = sum((values[j] < values[i]) - (values[j] > values[i]) for i in range(n) for j in range(i + 1, n))
    z = (score - math.copysign(1, score)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) if score else 0.0
    return 0.5 * math.erfc(z / math.sqrt(2))


def student(freedom: float) -> float:
    """Student's t for a two-sided 95 %."""
    return _T95[max(0, int(freedom) - 1)] if freedom < len(_T95) + 1 else _Z95 + 2.5 / freedom
