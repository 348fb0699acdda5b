"""A followed run that opens at once and stays small, however long its record is.

A long record is shown from samples first; then its overview is taken from the snapshot, which another process makes
where there is none, and only what was appended since is read line by line. While a run goes on, a new snapshot takes
the place of the lines that have piled up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from imgexp_tui.records.jsonl import LineTail, parse
from imgexp_tui.records.metrics.follower import RunView, Series
from imgexp_tui.records.metrics.pace import Clock
from imgexp_tui.records.metrics.sampling import LONG, sampled
from imgexp_tui.records.metrics.snapshot import Damaged, Overview, Snapshot, open_snapshot
from imgexp_tui.records.rundir import RunDir

if TYPE_CHECKING:
    from imgexp_tui.records.metrics.snapshot_job import Builder

_PILED = 2 * LONG
"""Bytes read line by line after which a new snapshot is made, or a quarter of the record where that is more."""


class _Lines(LineTail):
    """Lines that can be held back while the whole is being read elsewhere."""

    held = False

    def poll(self) -> list[dict[str, Any]]:
        if self.held:
            self.restarted = False
            return []
        return super().poll()


class QuickView(RunView):
    """A `RunView` whose `series` hold the extremes of every stretch of a long run in place of every value.

    Attributes:
        reading: what is there is a sample; the whole is on its way.
    """

    _building: ClassVar[list[Builder]] = []
    """The one building that goes on in this process: the next long run waits for it."""

    def __init__(self, run: RunDir) -> None:
        self._lines = _Lines(run.metrics)
        super().__init__(run, self._lines)
        self.reading = False
        self._opened = False
        self._builder: Builder | None = None
        self._wants = False
        self._alone = False
        self._base = 0
        self._known: Overview | None = None

    def poll(self) -> bool:
        changed = False
        if not self._opened:
            self._opened = True
            changed = self._open()
        changed = self._build_goes_on() or changed
        changed = super().poll() or changed
        if self._piled_up():
            self._wants = True
        return changed

    def _open(self) -> bool:
        """Begin with the snapshot, or with samples; True where the record is a long one."""
        try:
            size = self.dir.metrics.stat().st_size
        except OSError:
            return False
        if size <= LONG:
            return False
        there = open_snapshot(self.dir.cache, self.dir.metrics)
        if there and self._adopt(there) and size - self._base <= LONG:
            return True
        if self._known is None:
            self._sample(size)
        self.reading = self._wants = self._lines.held = True
        return True

    def _sample(self, size: int) -> None:
        try:
            pieces = sampled(self.dir.metrics, size)
        except OSError:
            return
        for piece in pieces:
            for line in piece.splitlines():
                if (record := parse(line)) is not None:
                    self._metrics(record)

    def _piled_up(self) -> bool:
        if self._builder or self.reading or self._alone:
            return False
        return self._lines.offset - self._base > max(_PILED, self._base // 4)

    def _build_goes_on(self) -> bool:
        """Start the building that is wanted, or take what came of it; True where that is there."""
        if self._wants and not self._building:
            from imgexp_tui.records.metrics.snapshot_job import Builder

            self._wants = False
            self._builder = Builder(self.dir, gently=not self.reading)
            self._building.append(self._builder)
        if self._builder is None:
            return False
        found = self._builder.poll()
        if found is None and not self._builder.failed:
            return False
        self._building.remove(self._builder)
        self._builder = None
        if found is None or not self._adopt(found):
            self._alone = True  # nobody else could: it is read line by line
            if self.reading:
                self._forget(self.dir.metrics)  # the samples
        self.reading = self._lines.held = False
        self.reopen()
        return True

    def _adopt(self, snapshot: Snapshot) -> bool:
        """Put the overview in place of what was read so far; False where it is damaged."""
        try:
            found = snapshot.overview()
        except (Damaged, OSError):
            return False
        finally:
            snapshot.close()
        # That of samples would be none.
        pace = None if self.reading else self._pace
        self._forget(self.dir.metrics)
        self._known, self._base, self._pace = found, found.offset, pace
        self.series = {name: Series(*pair) for name, pair in found.series.items() if pair[0]}
        self.news.recall(found.series)
        self._epoch_series = Series(*found.epochs)
        self.attempts, self.epoch_began = dict(found.attempts), dict(found.began)
        self.trained, self._clock = Series(*found.trained), Clock(found.seconds, found.longest, found.time)
        self.step, self.epoch, self.time, self._begun = found.step, found.epoch, found.time, found.begun
        self._resumed = [one for one in self._resumed if not self._marked(*one)]
        self._lines.start_at(found.offset)
        return True

    def _forget(self, path: Path) -> None:
        super()._forget(path)
        if path == self.dir.metrics:
            self._base, self._known = 0, None

    def _marked(self, attempt: int, moment: float) -> bool:
        """Whether the overview tells already where an attempt began."""
        known = self._known
        return known is not None and (attempt in known.attempts or (known.time is not None and moment <= known.time))

    def _event(self, record: dict[str, Any]) -> None:
        super()._event(record)
        if self._resumed and self._marked(*self._resumed[-1]):
            self._resumed.pop()

    def __del__(self) -> None:
        if self._builder in self._building:
            self._building.remove(self._builder)
