"""Follows a run so that it opens at once and stays small, however long its record is.

A long record is opened as `opening` describes. While a run goes on, a new snapshot takes the place of the records that
have piled up.
"""

from __future__ import annotations

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.opening import RecordOpening
from imgexp_tui.records.metrics.pace import TrainingClock
from imgexp_tui.records.metrics.run_state import Series
from imgexp_tui.records.metrics.snapshot import Overview, Snapshot
from imgexp_tui.records.metrics.source import LONG_RECORD_BYTES, MetricSource, Record
from imgexp_tui.records.rundir import RunDir

_BACKLOG_BYTES = 2 * LONG_RECORD_BYTES
"""Bytes read record by record after which a new snapshot is made, or a quarter of the record where that is more."""


class FastFollower(RunFollower):
    """A `RunFollower` whose `series` hold the extremes of every stretch of a long run in place of every value.

    Attributes:
        keeps_every_value: no values read record by record are given up for a snapshot.
    """

    def __init__(self, run_dir: RunDir, source: MetricSource | None = None) -> None:
        super().__init__(run_dir, source)
        self.keeps_every_value = False
        self._has_opened = False
        self._overview: Overview | None = None
        self._opening = RecordOpening(run_dir, self._source, is_queued=True)

    @property
    def has_every_value(self) -> bool:
        """Whether `series` hold every value rather than samples or an overview; before a `poll`, whether they will."""
        if not self._has_opened:
            return not self._opening.is_long()
        return self._overview is None and not self.is_partial and not self._opening.is_waiting

    def poll(self) -> bool:
        """Read what was added. True where anything changed."""
        changed = False
        if not self._has_opened:
            self._has_opened = True
            changed = not self.keeps_every_value and self._opening.open_if_long(self, 0)
        if self._opening.poll(self):
            self.poll_again()
            changed = True
        self.is_partial = self._opening.is_partial
        changed = super().poll() or changed
        if self._has_backlog():
            self._opening.request_snapshot()
        return changed

    def load_snapshot(self, snapshot: Snapshot) -> None:
        """Put a snapshot's overview in place of what was read so far.

        Raises:
            SnapshotDamaged, OSError: it cannot be read; nothing has changed.
        """
        overview = snapshot.overview()
        pace = None if self._opening.is_partial else self._pace  # samples have no pace
        self._reset_metrics()
        self._overview, self._pace = overview, pace
        self.series = {name: Series(*pair) for name, pair in overview.series.items() if pair[0]}
        self._alert_detector.restore_bests(overview.series)
        self._epoch_series = Series(*overview.epochs)
        self.attempt_starts, self.epoch_start_times = dict(overview.attempt_starts), dict(overview.epoch_start_times)
        self.training_seconds = Series(*overview.training_seconds)
        self._training_clock = TrainingClock(overview.total_seconds, overview.longest_gap, overview.time)
        self.step, self.epoch, self.time, self._training_start = (
            overview.step,
            overview.epoch,
            overview.time,
            overview.first_time,
        )
        self._pending_resumptions = [one for one in self._pending_resumptions if not self._covers_attempt(*one)]
        self._source.seek(overview.offset)

    def load_samples(self, records: list[Record]) -> None:
        """Show samples of the record."""
        for record in records:
            self._add_metrics(record)

    def clear_metrics(self) -> None:
        """Forget the samples."""
        self._reset_metrics()

    def _has_backlog(self) -> bool:
        opening = self._opening
        if opening.is_waiting or opening.is_partial or opening.reads_directly or self.keeps_every_value:
            return False
        return self._source.position - opening.offset > max(_BACKLOG_BYTES, opening.offset // 4)

    def _read_metrics(self) -> bool:
        return not self.is_partial and super()._read_metrics()

    def _reset_metrics(self) -> None:
        super()._reset_metrics()
        self._overview, self._opening.offset = None, 0

    def _covers_attempt(self, attempt: int, timestamp: float) -> bool:
        """Whether the overview has the beginning of an attempt already."""
        known = self._overview
        return known is not None and (
            attempt in known.attempt_starts or (known.time is not None and timestamp <= known.time)
        )

    def _add_event(self, record: Record) -> None:
        super()._add_event(record)
        if self._pending_resumptions and self._covers_attempt(*self._pending_resumptions[-1]):
            self._pending_resumptions.pop()
