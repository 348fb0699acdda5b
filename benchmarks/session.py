"""A program in a pseudo-terminal that is given keys, with the time of all that it sends and what it costs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pyte


class Session:
    """Runs until the `with` block ends.

    Attributes:
        chunks: (seconds since the spawn, bytes), as they came.
        start: when it was spawned, by `time.perf_counter`; `began` is the same moment by `time.time`.
        peak: the highest sum of the memory of its processes, bytes, where it is weighed; what several share is counted
            once (PSS). To weigh a process holds up its memory and a core: what is timed is not weighed.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        lines: int = 40,
        cwd: Path | None = None,
        weigh: bool = False,
    ) -> None:
        self.columns, self.lines = columns, lines
        self.chunks: list[tuple[float, bytes]] = []
        self.start, self.began = time.perf_counter(), time.time()
        self.peak = 0
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            if cwd:
                os.chdir(cwd)
            os.execvp(argv[0], list(argv))
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0
        self._came = threading.Condition()
        self._ended = False
        threading.Thread(target=self._pump, daemon=True).start()
        if weigh:
            threading.Thread(target=self._weigh, daemon=True).start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._ended = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _pump(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 1 << 16)
            except OSError:
                return
            with self._came:
                self.chunks.append((time.perf_counter() - self.start, data))
                self._came.notify_all()

    def _weigh(self) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            while not self._ended:
                every = [process, *process.children(recursive=True)]
                total = 0
                for one in every:
                    with contextlib.suppress(psutil.Error):
                        total += one.memory_full_info().pss
                self.peak = max(self.peak, total)
                time.sleep(0.03)

    @property
    def now(self) -> float:
        """Seconds since the spawn."""
        return time.perf_counter() - self.start

    def press(self, keys: bytes) -> float:
        """Type; when that was."""
        at = self.now
        os.write(self._terminal, keys)
        return at

    def screen(self) -> list[str]:
        """What stands on the screen now."""
        with self._came:
            new = self.chunks[self._fed :]
            self._fed = len(self.chunks)
        for _, data in new:
            self._stream.feed(data)
        return list(self._screen.display)

    def until(self, seen: Callable[[list[str]], bool], what: str, timeout: float = 60.0) -> None:
        """Wait until the screen shows something.

        Raises:
            TimeoutError: it never did.
        """
        end = self.now + timeout
        while not seen(self.screen()):
            with self._came:
                if len(self.chunks) == self._fed:
                    self._came.wait(max(0.0, min(0.2, end - self.now)))
            if self.now > end:
                raise TimeoutError(f"never seen: {what}\n" + "\n".join(self.screen()))

    def quiet(self, seconds: float, timeout: float = 60.0) -> float:
        """Wait until nothing has come for so long; when the last piece came."""
        end = self.now + timeout
        while self.now < end:
            last = self.chunks[-1][0] if self.chunks else 0.0
            if self.now - last >= seconds:
                return last
            time.sleep(min(0.05, seconds / 4))
        raise TimeoutError(f"it was never quiet for {seconds} s")

    def first(self, seen: Callable[[list[str]], bool]) -> float | None:
        """When the screen first showed something, by replaying all that came; None where it never did."""
        screen = pyte.Screen(self.columns, self.lines)
        stream = pyte.ByteStream(screen)
        for moment, data in list(self.chunks):
            stream.feed(data)
            if seen(screen.display):
                return moment
        return None

    def sent(self, since: float, until: float | None = None) -> int:
        """Bytes that came between two moments."""
        return sum(len(data) for at, data in list(self.chunks) if since <= at < (until or float("inf")))

    def cpu(self) -> float:
        """Seconds of processor time that it has taken, without its children's."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system
