"""Keeps drafts of notes on disk while they are typed, from a thread of its own.

The event loop is left out on purpose: a stalled terminal blocks it, and what was typed before must still reach the
disk. Every edit is written within `WRITE_DELAY` seconds, only the newest of each note; leaving the process in any
orderly
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

WRITE_DELAY = 0.5
_RETRY_DELAY = 5.0


class DraftWriter:
    """The drafts of one lab.

    Args:
        lab: the lab's folder.
        on_problem: called from the thread with a sentence when drafts cannot be written, and with "" when they can
            again.
    """

    def __init__(self, lab: Path, on_problem: Callable[[str], object]) -> None:
        self._lab = lab
        self._on_problem = on_problem
        self._pending: dict[tuple[str, str], Draft | None] = {}
        # Both locks are reentrant, so that a signal handler may flush while this very thread holds them.
        self._condition = threading.Condition(threading.RLock())
        self._write_lock = threading.RLock()
        self._closing = threading.Event()
        self._is_failing = False
        threading.Thread(target=self._run, name="drafts", daemon=True).start()
        _writers.add(self)

    def schedule_write(self, draft: Draft) -> None:
        """Write `draft` soon, in place of an older one of the same note."""
        self._schedule((draft.version, draft.field), draft)

    def schedule_removal(self, version: str, field: str) -> None:
        """The note is saved: remove its draft soon."""
        self._schedule((version, field), None)

    def flush(self) -> None:
        """Write what is pending, now, in the calling thread. A failure is told, never raised."""
        with self._write_lock:
            with self._condition:
                pending, self._pending = self._pending, {}
            for note, draft in pending.items():
                self._write(note, draft)

    def close(self) -> None:
        """Flush and end the thread."""
        self._closing.set()
        with self._condition:
            self._condition.notify()
        self.flush()
        _writers.discard(self)

    def _schedule(self, note: tuple[str, str], draft: Draft | None) -> None:
        with self._condition:
            self._pending[note] = draft
            self._condition.notify()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._condition:
                self._condition.wait_for(lambda: self._pending or self._closing.is_set())
            self._closing.wait(_RETRY_DELAY if self._is_failing else WRITE_DELAY)
            self.flush()

    def _write(self, note: tuple[str, str], draft: Draft | None) -> None:
        from imgexp_tui.notebook.history import drafts

        try:
            if draft is None:
                drafts.delete_draft(self._lab, *note)
            else:
                drafts.write_draft(self._lab, draft)
        except OSError as error:
            with self._condition:
                self._pending.setdefault(note, draft)
            self._is_failing = True
            self._on_problem(f"Typing is not being kept as a draft ({error.strerror}): save it with ctrl+s.")
        else:
            if self._is_failing:
                self._is_failing = False
                self._on_problem("")


_writers: weakref.WeakSet[DraftWriter] = weakref.WeakSet()


@atexit.register
def flush_all() -> None:
    """Write what is pending in every keeper of this process; for exits and signals."""
    for keeper in list(_writers):
        keeper.flush()


@contextlib.contextmanager
def flush_on_signals(on_terminate: Callable[[], object]) -> Iterator[None]:
    """While inside, SIGHUP and SIGTERM write pending drafts first; then SIGTERM calls `on_terminate`, so that the app
    can
    give the terminal back, and SIGHUP, after which there is no terminal, ends the process. A second one always ends it.

    Signals that somebody else handles are left to them. These are plain handlers rather than the loop's, because
    Python runs them even while the loop is blocked by a terminal that does not read.
    """

    def handle(number: int, frame: Any) -> None:
        flush_all()
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGHUP:
            os.kill(os.getpid(), number)
        on_terminate()

    mine = [s for s in (signal.SIGHUP, signal.SIGTERM) if _is_unhandled(s)]
    for number in mine:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in mine:
            if signal.getsignal(number) is handle:
                signal.signal(number, signal.SIG_DFL)


def _is_unhandled(number: signal.Signals) -> bool:
    return threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL
