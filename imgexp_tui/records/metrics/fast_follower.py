"""A followed run that opens at once and stays small, however long its record is.

A long record is shown from samples first; then its overview is taken from the snapshot, which another process makes
where there is none, and only what was appended since is read line by line. While a run goes on, a new snapshot takes
the place of the lines that have piled up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from imgexp_tui.records.jsonl import LineTail, parse_line
from imgexp_tui.records.metrics.follower import RunFollower, Series
from imgexp_tui.records.metrics.pace import TrainingClock
from imgexp_tui.records.metrics.sampling import LONG_RECORD_BYTES, sample_lines
from imgexp_tui.records.metrics.snapshot import Overview, Snapshot, SnapshotDamaged, open_snapshot
from imgexp_tui.records.rundir import RunDir

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.snapshot_job import SnapshotJob

_BACKLOG_BYTES = 2 * LONG_RECORD_BYTES
"""Bytes read line by line after which a new snapshot is made, or a quarter of the record where that is more."""


class _PausableTail(LineTail):
    """Lines that can be held back while the whole is being read elsewhere."""

    is_paused = False

    def poll(self) -> list[dict[str, Any]]:
        if self.is_paused:
            self.restarted = False
            return []
        return super().poll()


class FastFollower(RunFollower):
    """A `RunView` whose `series` hold the extremes of every stretch of a long run in place of every value.

    Attributes:
        is_partial: what is there is a sample; the whole is on its way.
    """

    _running_jobs: ClassVar[list[SnapshotJob]] = []
    """The one building that goes on in this process: the next long run waits for it."""

    def __init__(self, run_dir: RunDir) -> None:
        self._metrics_tail = _PausableTail(run_dir.metrics)
        super().__init__(run_dir, self._metrics_tail)
        self.is_partial = False
        self._has_opened = False
        self._snapshot_job: SnapshotJob | None = None
        self._wants_snapshot = False
        self._reads_directly = False
        self._snapshot_offset = 0
        self._overview: Overview | None = None

    def poll(self) -> bool:
        changed = False
        if not self._has_opened:
            self._has_opened = True
            changed = self._open_long_record()
        changed = self._poll_snapshot_job() or changed
        changed = super().poll() or changed
        if self._has_backlog():
            self._wants_snapshot = True
        return changed

    def _open_long_record(self) -> bool:
        """Begin with the snapshot, or with samples; True where the record is a long one."""
        try:
            size = self.run_dir.metrics.stat().st_size
        except OSError:
            return False
        if size <= LONG_RECORD_BYTES:
            return False
        there = open_snapshot(self.run_dir.cache, self.run_dir.metrics)
        if there and self._load_snapshot(there) and size - self._snapshot_offset <= LONG_RECORD_BYTES:
            return True
        if self._overview is None:
            self._read_samples(size)
        self.is_partial = self._wants_snapshot = self._metrics_tail.is_paused = True
        return True

    def _read_samples(self, size: int) -> None:
        try:
            pieces = sample_lines(self.run_dir.metrics, size)
        except OSError:
            return
        for piece in pieces:
            for line in piece.splitlines():
                if (record := parse_line(line)) is not None:
                    self._add_metrics(record)

    def _has_backlog(self) -> bool:
        if self._snapshot_job or self.is_partial or self._reads_directly:
            return False
        return self._metrics_tail.offset - self._snapshot_offset > max(_BACKLOG_BYTES, self._snapshot_offset // 4)

    def _poll_snapshot_job(self) -> bool:
        """Start the building that is wanted, or take what came of it; True where that is there."""
        if self._wants_snapshot and not self._running_jobs:
            from imgexp_tui.records.metrics.snapshot_job import SnapshotJob

            self._wants_snapshot = False
            self._snapshot_job = SnapshotJob(self.run_dir, low_priority=not self.is_partial)
            self._running_jobs.append(self._snapshot_job)
        if self._snapshot_job is None:
            return False
        found = self._snapshot_job.poll()
        if found is None and not self._snapshot_job.failed:
            return False
        self._running_jobs.remove(self._snapshot_job)
        self._snapshot_job = None
        if found is None or not self._load_snapshot(found):
            self._reads_directly = True  # nobody else could: it is read line by line
            if self.is_partial:
                self._reset_file(self.run_dir.metrics)  # the samples
        self.is_partial = self._metrics_tail.is_paused = False
        self.watch_again()
        return True

    def _load_snapshot(self, snapshot: Snapshot) -> bool:
        """Put the overview in place of what was read so far; False where it is damaged."""
        try:
            found = snapshot.overview()
        except (SnapshotDamaged, OSError):
            return False
        finally:
            snapshot.close()
        # That of samples would be none.
        pace = None if self.is_partial else self._pace
        self._reset_file(self.run_dir.metrics)
        self._overview, self._snapshot_offset, self._pace = found, found.offset, pace
        self.series = {name: Series(*pair) for name, pair in found.series.items() if pair[0]}
        self.alert_detector.restore_bests(found.series)
        self._epoch_series = Series(*found.epochs)
        self.attempt_starts, self.epoch_start_times = dict(found.attempt_starts), dict(found.epoch_start_times)
        self.training_seconds, self._training_clock = (
            Series(*found.training_seconds),
            TrainingClock(found.total_seconds, found.longest_gap, found.time),
        )
        self.step, self.epoch, self.time, self._training_start = found.step, found.epoch, found.time, found.first_time
        self._pending_resumptions = [one for one in self._pending_resumptions if not self._covers_attempt(*one)]
        self._metrics_tail.start_at(found.offset)
        return True

    def _reset_file(self, path: Path) -> None:
        super()._reset_file(path)
        if path == self.run_dir.metrics:
            self._snapshot_offset, self._overview = 0, None

    def _covers_attempt(self, attempt: int, timestamp: float) -> bool:
        """Whether the overview tells already where an attempt began."""
        known = self._overview
        return known is not None and (
            attempt in known.attempt_starts or (known.time is not None and timestamp <= known.time)
        )

    def _add_event(self, record: dict[str, Any]) -> None:
        super()._add_event(record)
        if self._pending_resumptions and self._covers_attempt(*self._pending_resumptions[-1]):
            self._pending_resumptions.pop()

    def __del__(self) -> None:
        if self._snapshot_job in self._running_jobs:
            self._running_jobs.remove(self._snapshot_job)
