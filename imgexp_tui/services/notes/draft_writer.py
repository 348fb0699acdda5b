"""Writes drafts of notes to disk while the user types, from a thread.

It does not use the event loop, because a stalled terminal blocks that, and typed text must still reach the disk. Every
edit is written within `WRITE_DELAY` seconds, only the newest of each note. Every orderly exit of the process writes
pending drafts at once.
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
    """Writes the drafts of one lab.

    Args:
        lab: the lab's folder.
        on_problem: called from the thread with a sentence when drafts cannot be written, and with "" when they can be
            again.
    """

    def __init__(self, lab: Path, on_problem: Callable[[str], object]) -> None:
        self._lab = lab
        self._on_problem = on_problem
        self._pending: dict[tuple[str, str], Draft | None] = {}
        # Both locks are reentrant, so a signal handler can flush while the same thread holds them.
        self._condition = threading.Condition(threading.RLock())
        self._write_lock = threading.RLock()
        self._closing = threading.Event()
        self._is_failing = False
        threading.Thread(target=self._run, name="drafts", daemon=True).start()
        _writers.add(self)

    def schedule_write(self, draft: Draft) -> None:
        """Schedule `draft` to be written, in place of an older one of the same note."""
        self._schedule((draft.version, draft.field), draft)

    def schedule_removal(self, version: str, field: str) -> None:
        """Schedule the removal of a draft, after its note was saved."""
        self._schedule((version, field), None)

    def flush(self) -> None:
        """Write pending drafts now, in the calling thread. Failures are reported to `on_problem`, never raised."""
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
    """Write the pending drafts of every writer in this process; for exits and signals."""
    for writer in list(_writers):
        writer.flush()


@contextlib.contextmanager
def flush_on_signals(on_terminate: Callable[[], object]) -> Iterator[None]:
    """A context in which SIGHUP and SIGTERM write pending drafts first.

    Then SIGTERM calls `on_terminate`, so the app can restore the terminal. SIGHUP ends the process, because the
    terminal is gone. A second signal always ends it. Signals that already have a handler keep it. These are plain
    signal handlers and not the event loop's, because Python runs them even while a stalled terminal blocks the loop.
    """

    def handle(number: int, frame: Any) -> None:
        flush_all()
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGHUP:
            os.kill(os.getpid(), number)
        on_terminate()

    handled = [s for s in (signal.SIGHUP, signal.SIGTERM) if _is_unhandled(s)]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in handled:
            if signal.getsignal(number) is handle:
                signal.signal(number, signal.SIG_DFL)


def _is_unhandled(number: signal.Signals) -> bool:
    return threading.current_thread() is threading.main_thread() and signal.getsignal(number) == signal.SIG_DFL
