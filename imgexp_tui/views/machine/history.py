"""Records the last ten minutes of each gauge, and draws them as one-row curves.

A column stands for a fixed interval of the clock, so a curve moves by one whole cell at a time and not at every poll.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from imgexp_tui.views.charts.blocks import block

COLUMN_SECONDS = 2
"""Seconds per column of a history."""
_MAX_COLUMNS = 300
"""Columns in a history."""


@dataclass(frozen=True, slots=True)
class GaugeHistory:
    """The history of one gauge, in columns.

    Attributes:
        last_column: number of the last column, counted from the start of the monotonic clock.
        values: highest value of each column, oldest first; nan for a column without a value.
    """

    last_column: int = 0
    values: tuple[float, ...] = ()

    def columns(self, room: int, group_size: int = 1) -> list[float]:
        """Highest values of the latest `room` groups of `group_size` columns, oldest first; fewer if it is short."""
        groups: dict[int, float] = {}
        for i, value in enumerate(reversed(self.values)):
            group = (self.last_column - i) // group_size
            if len(groups) == room and group not in groups:
                break
            before = groups.get(group, math.nan)
            groups[group] = value if math.isnan(before) or value > before else before
        return [groups[group] for group in sorted(groups)]

    def highest(self, room: int) -> float:
        """The highest value of the latest `room` columns; 0 without a value."""
        return max((value for value in self.columns(room) if not math.isnan(value)), default=0.0)


class GaugeRecorder:
    """Builds the histories of all gauges from their values at each poll."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._last_column = 0

    def add(self, gauges: Mapping[str, float | None], now: float | None = None) -> None:
        """Add the current values; a gauge without a value gets a gap.

        Args:
            now: monotonic time in seconds; None reads the clock.
        """
        column = int((time.monotonic() if now is None else now) // COLUMN_SECONDS)
        passed = min(_MAX_COLUMNS, column - self._last_column) if self._values else 0
        self._last_column = column
        for name in self._values.keys() | gauges.keys():
            values = self._values.setdefault(name, [math.nan])
            values += [math.nan] * passed
            value = gauges.get(name)
            if value is not None and not values[-1] >= value:  # true for nan, too
                values[-1] = value
            del values[:-_MAX_COLUMNS]
        self._values = {n: v for n, v in self._values.items() if not all(map(math.isnan, v)) or n in gauges}

    def histories(self) -> dict[str, GaugeHistory]:
        """The history of every gauge, by name."""
        return {name: GaugeHistory(self._last_column, tuple(values)) for name, values in self._values.items()}


def history_sparkline(history: GaugeHistory | None, room: int, maximum: float, group_size: int = 1) -> str:
    """A history as one row of `room` cells, the latest value at the right; a gap is a blank.

    Args:
        maximum: the value of the highest block.
        group_size: columns of the history per cell.
    """
    columns = history.columns(room, group_size) if history else []
    return "".join(_block_or_gap(value, maximum) for value in columns).rjust(room)


def _block_or_gap(value: float, maximum: float) -> str:
    if math.isnan(value):
        return " "
    return block(value / maximum if maximum > 0 else 0.0)
