"""Statistics that the rules use: an exact binomial tail, a robust slope, a rank test, Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

_MAX_POINTS = 60
"""Points for a slope: its cost grows with their square, and neighbours in time add little."""
_Z95 = 1.96
_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t for a two-sided 95 % interval, 1 to 10 degrees of freedom, as in any table."""


@lru_cache(maxsize=4096)
def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Returns the probability of at least `successes` in `trials`, each with this `probability`: exact, one-sided."""
    if successes <= 0 or probability >= 1:
        return 1.0
    if successes > trials or probability <= 0:
        return 0.0
    if successes <= trials * probability:  # the smaller side is faster
        return max(0.0, 1.0 - _sum_probabilities(range(successes - 1, -1, -1), trials, probability))
    return min(1.0, _sum_probabilities(range(successes, trials + 1), trials, probability))


def _sum_probabilities(counts: range, trials: int, probability: float) -> float:
    """Sums the probabilities of `counts`, which lead away from the most likely one, until they add nothing."""
    total = 0.0
    for k in counts:
        choose = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        term = math.exp(choose + k * math.log(probability) + (trials - k) * math.log1p(-probability))
        total += term
        if term < total * 1e-15:
            break
    return total


def thinned(x: Sequence[float], y: Sequence[float], max_points: int = _MAX_POINTS) -> tuple[list[float], list[float]]:
    """Returns at most `max_points` points: the medians of stretches of equal length."""
    size = max(1, -(-len(x) // max_points))
    starts = range(0, len(x), size)
    return [median(x[i : i + size]) for i in starts], [median(y[i : i + size]) for i in starts]


def slope_with_interval(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Returns the median of all pairwise slopes and its 95 % confidence interval (Theil 1950, Sen 1968).

    It needs at least 3 points. Up to 29 % of the points may be arbitrary without effect on it.
    """
    x, y = thinned(x, y)
    n = len(x)
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i in range(n) for j in range(i + 1, n) if x[j] != x[i])
    if not slopes:
        return 0.0, 0.0, 0.0
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return median(slopes), slopes[low], slopes[high]


def decrease_p_value(values: Sequence[float]) -> float:
    """Returns how likely values without a trend fall as steadily (Mann-Kendall, one-sided, normal approximation)."""
    n = len(values)
    if n < 4:
        return 1.0
    score = sum((values[j] < values[i]) - (values[j] > values[i]) for i in range(n) for j in range(i + 1, n))
    z = (score - math.copysign(1, score)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) if score else 0.0
    return 0.5 * math.erfc(z / math.sqrt(2))


def student_t(degrees_of_freedom: float) -> float:
    """Returns Student's t for a two-sided 95 % interval."""
    return (
        _T95[max(0, int(degrees_of_freedom) - 1)]
        if degrees_of_freedom < len(_T95) + 1
        else _Z95 + 2.5 / degrees_of_freedom
    )
