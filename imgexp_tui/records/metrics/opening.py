"""Opens the record of a run's metrics at once, however long it is: from a snapshot, or from samples until there is one.

A short record is read as it is. A long one is taken from its snapshot, and only what was appended since is read. Where
there is no snapshot, or an old one, samples of the record are shown while another process makes a new one. Where that
fails, the record is read here from its beginning.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, ClassVar, Protocol

from imgexp_tui.records.metrics.snapshot import Snapshot, SnapshotDamaged, open_snapshot
from imgexp_tui.records.metrics.source import LONG_RECORD_BYTES, MetricSource, Record
from imgexp_tui.records.rundir import RunDir

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.snapshot_job import SnapshotJob


class RecordReader(Protocol):
    """Whoever shows a record: a follower or a history."""

    def load_snapshot(self, snapshot: Snapshot) -> None:
        """Put what a snapshot holds in place of everything read so far.

        Raises:
            SnapshotDamaged, OSError: it cannot be read; nothing has changed.
        """
        ...

    def load_samples(self, records: list[Record]) -> None:
        """Show samples of the record; called while nothing was read."""
        ...

    def clear_metrics(self) -> None:
        """Forget everything read so far."""
        ...


class RecordOpening:
    """Opens one record for one reader, always the same one. Each is for one thread at a time.

    Args:
        run: the run's folder.
        source: where its metrics are read from.
        is_queued: whether its snapshots are made one after the other with those of other readers in this process, so
            that a lab of many long runs does not start a process for each.

    Attributes:
        is_partial: the reader holds samples; the whole record is being read by another process.
        reads_directly: no process could read the record, so that it is read here.
        offset: the position up to which the reader's data came from a snapshot; 0 without one.
    """

    _queue_lock: ClassVar[threading.Lock] = threading.Lock()
    _queued_jobs: ClassVar[list[SnapshotJob]] = []
    """The job that runs in this process for a queued reader; the next one waits for it."""

    def __init__(self, run: RunDir, source: MetricSource, *, is_queued: bool) -> None:
        self._run = run
        self._source = source
        self._is_queued = is_queued
        self.is_partial = False
        self.reads_directly = False
        self.offset = 0
        self._job: SnapshotJob | None = None
        self._wants_snapshot = False

    @property
    def is_waiting(self) -> bool:
        """Whether a snapshot is being made or wanted."""
        return self._wants_snapshot or self._job is not None

    def is_long(self, position: int = 0) -> bool:
        """Whether so much stands after a position that it is not read at once."""
        stat = self._source.stat()
        return stat is not None and not self.reads_directly and stat.size - position > LONG_RECORD_BYTES

    def open_if_long(self, reader: RecordReader, position: int) -> bool:
        """Open the record where much of it stands after `position`; False where it is to be read as it is."""
        stat = self._source.stat()
        if stat is None or not self.is_long(position):
            return False
        snapshot = open_snapshot(self._run.cache, self._source)
        if snapshot and self._load(reader, snapshot) and stat.size - self.offset <= LONG_RECORD_BYTES:
            return True
        if not self.offset and not position:
            with contextlib.suppress(OSError):
                reader.load_samples(self._source.sample(stat.size))
        self.is_partial = self._wants_snapshot = True
        return True

    def request_snapshot(self) -> None:
        """Have a new snapshot made in place of the records that were read since the last one. Nobody waits for it."""
        self._wants_snapshot = True

    def poll(self, reader: RecordReader) -> bool:
        """Start the job that is wanted, or take its snapshot; True where it is done and there is more to show."""
        self._start_job()
        if self._job is None:
            return False
        snapshot = self._job.poll()
        if snapshot is None and not self._job.failed:
            return False
        self._end_job()
        if snapshot is None or not self._load(reader, snapshot):
            self.reads_directly = True
            if self.is_partial:
                reader.clear_metrics()
        self.is_partial = False
        return True

    def reset(self) -> None:
        """Begin again: the source was replaced."""
        self._end_job()
        self._wants_snapshot = self.is_partial = self.reads_directly = False
        self.offset = 0

    def _start_job(self) -> None:
        if not self._wants_snapshot or self._job:
            return
        with self._queue_lock:
            if self._is_queued and self._queued_jobs:
                return
            from imgexp_tui.records.metrics.snapshot_job import SnapshotJob

            self._wants_snapshot = False
            self._job = SnapshotJob(self._run, low_priority=not self.is_partial)
            if self._is_queued:
                self._queued_jobs.append(self._job)

    def _end_job(self) -> None:
        with self._queue_lock:
            if self._job in self._queued_jobs:
                self._queued_jobs.remove(self._job)
            self._job = None

    def _load(self, reader: RecordReader, snapshot: Snapshot) -> bool:
        """Give a snapshot to the reader; False where it is damaged."""
        try:
            reader.load_snapshot(snapshot)
        except (SnapshotDamaged, OSError):
            return False
        finally:
            snapshot.close()
        self.offset = snapshot.prefix.offset
        return True

    def __del__(self) -> None:
        job = self._job
        if job in self._queued_jobs:  # without the lock, which this thread may hold
            self._queued_jobs.remove(job)
