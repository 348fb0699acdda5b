"""Records as rows of numbers, a column for each metric: `MetricRows`, which every bulk reader of a source makes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from imgexp_tui.records.metrics.minmax import Floats, Ints

SparseColumn = tuple[Ints, Floats]
"""Rising indices of rows, and the values in them."""


@dataclass(slots=True)
class MetricRows:
    """Records in the order in which they were written, a row for each.

    Attributes:
        steps: the step of each row.
        epochs, times: nan where a row has none.
        columns: metric → the rows that have it, and its values.
    """

    steps: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    epochs: Floats = field(default_factory=lambda: np.zeros(0))
    times: Floats = field(default_factory=lambda: np.zeros(0))
    columns: dict[str, SparseColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)
