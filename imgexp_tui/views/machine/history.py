"""The last ten minutes of each gauge, for the sparklines beside them.

A column of a sparkline stands for a fixed stretch of the clock, so that a gauge's past moves on by one cell at a time
and not at every look.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from imgexp_tui.views.charts.blocks import block

COLUMN_SECONDS = 2
"""Seconds of the finest column."""
_MAX_COLUMNS = 300
"""Columns."""


@dataclass(frozen=True, slots=True)
class GaugeHistory:
    """The columns of one gauge: each the highest value of its stretch, nan where there was none.

    Attributes:
        last_column: the number of the last one, counted from the clock's beginning.
    """

    last_column: int = 0
    values: tuple[float, ...] = ()

    def columns(self, room: int, group_size: int = 1) -> list[float]:
        """The latest `room` columns, each of `group_size` of ours together; fewer where the past is shorter."""
        found: dict[int, float] = {}
        for i, value in enumerate(reversed(self.values)):
            group = (self.last_column - i) // group_size
            if len(found) == room and group not in found:
                break
            before = found.get(group, math.nan)
            found[group] = value if math.isnan(before) or value > before else before
        return [found[group] for group in sorted(found)]

    def highest(self, room: int) -> float:
        """The highest value of the latest `room` columns; 0 without one."""
        return max((value for value in self.columns(room) if not math.isnan(value)), default=0.0)


class GaugeRecorder:
    """Takes in the gauges at each look."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._last_column = 0

    def add(self, gauges: Mapping[str, float | None], now: float | None = None) -> None:
        """The gauges now; one that is not told leaves a gap."""
        column = int((time.monotonic() if now is None else now) // COLUMN_SECONDS)
        passed = min(_MAX_COLUMNS, column - self._last_column) if self._values else 0
        self._last_column = column
        for name in self._values.keys() | gauges.keys():
            values = self._values.setdefault(name, [math.nan])
            values += [math.nan] * passed
            told = gauges.get(name)
            if told is not None and not values[-1] >= told:
                values[-1] = told
            del values[:-_MAX_COLUMNS]
        self._values = {n: v for n, v in self._values.items() if not all(map(math.isnan, v)) or n in gauges}

    def histories(self) -> dict[str, GaugeHistory]:
        """Every gauge's past."""
        return {name: GaugeHistory(self._last_column, tuple(values)) for name, values in self._values.items()}


def history_sparkline(history: GaugeHistory | None, room: int, maximum: float, group_size: int = 1) -> str:
    """A past as one row of `room` cells, the latest at the right; a gap is a blank.

    Args:
        maximum: what the highest block stands for.
    """
    columns = history.columns(room, group_size) if history else []
    return "".join(_block_or_gap(value, maximum) for value in columns).rjust(room)


def _block_or_gap(value: float, maximum: float) -> str:
    if math.isnan(value):
        return " "
    return block(value / maximum if maximum > 0 else 0.0)
