"""Keeps drafts of notes on disk while they are typed, from a thread of its own.

The event loop is left out on purpose: a stalled terminal blocks it, and what was typed before must still reach the
disk. Every edit is written within `DELAY` seconds, only the newest of each note; leaving the process in any orderly
way writes what is pending at once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgexp_tui.notebook.history.drafts import Draft

DELAY = 0.5
_RETRY = 5.0


class DraftKeeper:
    """The drafts of one lab.

    Args:
        lab: the lab's folder.
        told: called from the thread with a sentence when drafts cannot be written, and with "" when they can again.
    """

    def __init__(self, lab: Path, told: Callable[[str], object]) -> None:
        self._lab = lab
        self._told = told
        self._pending: dict[tuple[str, str], Draft | None] = {}
        # Both locks are reentrant, so that a signal handler may flush while this very thread holds them.
        self._change = threading.Condition(threading.RLock())
        self._writing = threading.RLock()
        self._closing = threading.Event()
        self._failing = False
        threading.Thread(target=self._run, name="drafts", daemon=True).start()
        _keepers.add(self)

    def keep(self, draft: Draft) -> None:
        """Write `draft` soon, in place of an older one of the same note."""
        self._put((draft.version, draft.field), draft)

    def drop(self, version: str, field: str) -> None:
        """The note is saved: remove its draft soon."""
        self._put((version, field), None)

    def flush(self) -> None:
        """Write what is pending, now, in the calling thread. A failure is told, never raised."""
        with self._writing:
            with self._change:
                pending, self._pending = self._pending, {}
            for note, draft in pending.items():
                self._write(note, draft)

    def close(self) -> None:
        """Flush and end the thread."""
        self._closing.set()
        with self._change:
            self._change.notify()
        self.flush()
        _keepers.discard(self)

    def _put(self, note: tuple[str, str], draft: Draft | None) -> None:
        with self._change:
            self._pending[note] = draft
            self._change.notify()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._change:
                self._change.wait_for(lambda: self._pending or self._closing.is_set())
            self._closing.wait(_RETRY if self._failing else DELAY)
            self.flush()

    def _write(self, note: tuple[str, str], draft: Draft | None) -> None:
        from imgexp_tui.notebook.history import drafts

        try:
            if draft is None:
                drafts.drop_draft(self._lab, *note)
            else:
                drafts.write_draft(self._lab, draft)
        except OSError as error:
            with self._change:
                self._pending.setdefault(note, draft)
            self._failing = True
            self._told(f"Typing is not being kept as a draft ({error.strerror}): save it with ctrl+s.")
        else:
            if self._failing:
                self._failing = False
                self._told("")


_keepers: weakref.WeakSet[DraftKeeper] = weakref.WeakSet()


@atexit.register
def flush_all() -> None:
    """Write what is pending in every keeper of this process; for exits and signals."""
    for keeper in list(_keepers):
        keeper.flush()


@contextlib.contextmanager
def flushed_on_signals(leave: Callable[[], object]) -> Iterator[None]:
    """While inside, SIGHUP and SIGTERM write pending drafts first; then SIGTERM calls `leave`, so that the app can
    give the terminal back, and SIGHUP, after which there is no terminal, ends the process. A second one always ends it.

    Signals that somebody else handles are left to them. These are plain handlers rather than the loop's, because
    Python runs them even while the loop is blocked by a terminal that does not read.
    """

    def handle(number: int, frame: Any) -> None:
        flush_all()
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGHUP:
            os.kill(os.getpid(), number)
        leave()

    mine = [s for s in (signal.SIGHUP, signal.SIGTERM) if _unhandled(s)]
    for number in mine:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in mine:
            if signal.getsignal(number) is handle:
                signal.signal(number, signal.SIG_DFL)


def _unhandled(number: signal.Signals) -> bool:
    return threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL
