"""Curves as braille: what is drawn of whole curves and of those with holes, and how a growing run is followed."""

from __future__ import annotations

import math
import random

import pytest

from imgexp_tui.records.metrics.run_state import Series
from imgexp_tui.views.charts import sparkline
from imgexp_tui.views.charts.curve import MAX_BUCKETS, Curve, CurveBuilder


def series(count: int, every: int, dice: random.Random, *, odd: float = 0.0) -> Series:
    found = Series()
    for i in range(1, count + 1):
        value = dice.choice((math.nan, math.inf, -math.inf)) if dice.random() < odd else dice.uniform(-1, 1)
        found.add(i * every, value)
    return found


def curve_of(what: Series) -> Curve:
    found = CurveBuilder("train/loss").update(what)
    assert found
    return found


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("count", "every"), [(1, 1), (2, 1), (30, 7), (900, 1), (1100, 1), (5000, 3), (40, 500)])
def test_whole_curves_are_drawn_as_bucket_by_bucket(count: int, every: int, live: bool) -> None:
    dice = random.Random(count)
    curve = curve_of(series(count, every, dice))
    for columns in (16, 101, 140, 400):
        places = sparkline.step_columns(max(curve.last_step, count), columns, live=live)
        assert sparkline.column_ranges(curve, columns, places) == sparkline._column_ranges_with_gaps(
            curve, columns, places
        )


@pytest.mark.parametrize(("many", "each"), [(1, 1), (4, 1), (1, 16), (139, 999), (139, 1_000_000), (139, 20)])
def test_the_first_step_of_a_column_is_the_first(many: int, each: int) -> None:
    places = sparkline.StepColumns(many, each)
    for column in range(1, 60):
        first = places.first_step(column)
        assert places.column_of(first) >= column > places.column_of(first - 1)


def test_a_spike_of_one_step_is_drawn() -> None:
    dice = random.Random(0)
    what = series(100_000, 1, dice)
    what.values[77_776] = 50.0
    columns = sparkline.column_ranges(curve_of(what), 140, sparkline.step_columns(100_000, 140, live=False))
    (place,) = [i for i, one in enumerate(columns) if isinstance(one, tuple) and one[1] == 50.0]
    # Within its column and its bucket of 128 steps.
    assert -(1 + 128 * 139 / 99_999) < place - 77_776 * 139 / 99_999 <= 0


def test_a_run_that_grows_has_the_curve_of_the_whole() -> None:
    dice = random.Random(3)
    whole, grown = series(3 * MAX_BUCKETS, 2, dice, odd=0.02), Series()
    builder = CurveBuilder("train/loss")
    for step, value in zip(whole.steps, whole.values, strict=True):
        grown.add(step, value)
        if dice.random() < 0.05:
            builder.update(grown)
    found, expected = builder.update(grown), curve_of(whole)
    assert found
    assert (found.bucket_size, found.non_finite, found.best, found.value_range) == (
        expected.bucket_size,
        expected.non_finite,
        expected.best,
        expected.value_range,
    )
    assert list(found.lows) == pytest.approx(list(expected.lows), nan_ok=True)
    finite = [v for v in whole.values if math.isfinite(v)]
    assert found.value_range == (min(finite), max(finite))
    assert found.best and found.best[0] == min(finite)
    assert sum(found.non_finite) > 0


def test_without_a_finite_value_there_is_no_reach() -> None:
    found = Series()
    found.add(1, math.nan)
    assert curve_of(found).value_range is None
