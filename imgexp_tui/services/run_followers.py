"""Shares one follower of each run between everything in the process that shows the run.

The main screen, the text editor's sidebar, the comparison and the findings follow the same runs from threads of their
own. Each of them has a handle; behind the handles of one run there is one follower, which reads the run's files once.
The charts read the same source by themselves: they need every value as NumPy columns and cost no start where they are
not opened.
"""

from __future__ import annotations

import threading
from pathlib import Path
from weakref import WeakSet, WeakValueDictionary

from imgexp_tui.records.alerts import Alert
from imgexp_tui.records.metrics.fast_follower import FastFollower
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.run_state import RunState
from imgexp_tui.records.rundir import RunDir


class _SharedFollower:
    """The follower of one run, for any thread that holds `lock`.

    Attributes:
        revision: how many polls have changed anything.
        exact_handles: the handles whose users need every value.
    """

    def __init__(self, run_dir: RunDir) -> None:
        self.lock = threading.Lock()
        self.follower = FastFollower(run_dir)
        self.revision = 0
        self.exact_handles: WeakSet[RunHandle] = WeakSet()

    def poll(self) -> None:
        """Read what was added; the caller holds the lock."""
        self.follower.keeps_every_value = bool(self.exact_handles)
        self.revision += self.follower.poll()


class RunHandle(RunFollower):
    """A follower that copies its data from the one follower of its run in this process.

    `poll` reads what was added, whoever else follows the run, and copies what is new for this handle. Its
    data changes in its own `poll` only, so that its user reads consistent data without a lock. A handle is for one
    thread at a time. The shared follower is dropped with its last handle.
    """

    def __init__(self, shared: _SharedFollower) -> None:
        RunState.__init__(self, shared.follower.run_dir)  # no source of its own
        self._shared = shared
        self._revision = 0

    def poll(self) -> bool:
        """Read what was added. True where anything has changed since this handle's last `poll`."""
        shared = self._shared
        with shared.lock:
            shared.poll()
            changed, self._revision = self._revision != shared.revision, shared.revision
            if changed or self.request is None:
                self.copy_from(shared.follower)
                self.is_partial = shared.follower.is_partial
        return changed

    def poll_again(self) -> None:
        """Have the next `poll` read a run that has ended, whether or not its files show that it was resumed."""
        with self._shared.lock:
            self._shared.follower.poll_again()

    def take_alerts(self, since: float = 0.0) -> list[Alert]:
        """What has happened since any handle's last call, the end of the run last; see `RunFollower`."""
        with self._shared.lock:
            return self._shared.follower.take_alerts(since)


_followers: WeakValueDictionary[Path, _SharedFollower] = WeakValueDictionary()
_registry_lock = threading.Lock()


def acquire(run_dir: RunDir, *, exact: bool = False) -> RunFollower:
    """A follower of a run that shares its reading with all others of this process.

    Args:
        exact: every value is needed. Of a long record the shared follower holds an overview, so that a follower of
            its own is made for this user, which reads the record whole.
    """
    with _registry_lock:
        shared = _followers.get(run_dir.path)
        if shared is None:
            shared = _followers[run_dir.path] = _SharedFollower(run_dir)
    handle = RunHandle(shared)
    if exact:
        with shared.lock:
            if not shared.follower.has_every_value:
                return RunFollower(run_dir)
            shared.exact_handles.add(handle)
    return handle
