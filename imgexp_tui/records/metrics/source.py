"""What a source of metrics does: the interface through which everything reads the metrics that a run recorded.

A record is a dictionary with `step`, and mostly `epoch`, `time` (seconds since 1970) and numbers by metric name. A
source gives the records of one run in the order in which they were written. Followers, the snapshot and the charts see
records, never files, so that another format needs a module with one class, and one line in `source_registry`.
`jsonl_source` is the format of the shipped trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.rows import MetricRows
    from imgexp_tui.records.rundir import RunDir

Record = dict[str, Any]
NON_METRIC_KEYS = ("step", "epoch", "time", "attempt")
"""Keys of a record that are no metrics."""
LONG_RECORD_BYTES = 4 << 20
"""Size up to which all records are read at once; a longer source is opened from its snapshot, or sampled first."""


@dataclass(frozen=True, slots=True)
class SourceStat:
    """What a source looks like from outside, without reading it.

    Attributes:
        size: how much is there, in the unit of positions (bytes, where the source is a file).
        identity: differs where the source was replaced by another one, such as a file's inode.
    """

    size: int
    identity: int


class MetricSource(Protocol):
    """The metrics of one run. Making one reads nothing; a source that is not there yet has no records so far.

    A position counts from 0 and lies between two records. Not safe for use by several threads at a time.
    """

    def __init__(self, run: RunDir) -> None: ...

    @staticmethod
    def files(run: RunDir) -> Sequence[Path]:
        """The files that a run of this kind writes its metrics to, there or not. Nothing is read."""
        ...

    @property
    def position(self) -> int:
        """The position after the records that were read."""
        ...

    @property
    def replaced(self) -> bool:
        """Whether the records of the latest `read_new` begin a new source, and all records before them are void."""
        ...

    @property
    def metric_names(self) -> Sequence[str]:
        """The names of the metrics in the records that were read, in the order in which they first came."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no more records will come, unless the run is resumed."""
        ...

    def stat(self) -> SourceStat | None:
        """Size and identity as of now; None where there is no source yet."""
        ...

    def read_new(self) -> list[Record]:
        """The complete records after `position`, or the first part of them where they are many; [] without."""
        ...

    def seek(self, position: int) -> None:
        """Read on from a position: the records before it are known already."""
        ...

    def sample(self, size: int) -> list[Record]:
        """Some records from all over the first `size`, in order, the first and the last among them.

        Raises:
            OSError: the source cannot be read.
        """
        ...

    def fingerprint(self, position: int) -> str:
        """A hash that differs where what stands before `position` does, as far as samples of it show.

        Raises:
            OSError: the source cannot be read.
        """
        ...


@runtime_checkable
class BulkMetricSource(Protocol):
    """A source that can also give its records as columns of numbers, a long one in a fraction of the time (NumPy)."""

    def read_rows(self, start: int, stop: int) -> tuple[MetricRows, int]:
        """The complete records between two positions as columns, and the position after the last of them.

        Raises:
            OSError: the source cannot be read.
        """
        ...

    def next_position(self, offset: int) -> int:
        """The first position after an offset, so that several processes can share the reading.

        Raises:
            OSError: the source cannot be read.
        """
        ...
