"""A command in a pseudo-terminal, with the time at which each piece of its output came."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte


@dataclass
class Recording:
    """What came out of a terminal.

    Attributes:
        chunks: (seconds since the spawn, bytes).
        peak: peak resident memory of the command, bytes; 0 while it runs.
    """

    columns: int
    lines: int
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    peak: int = 0

    def first(self, seen: Callable[[list[str]], bool]) -> float | None:
        """Seconds until the screen showed what `seen` looks for; None where it never did.

        The output is replayed after the recording, so that drawing it costs the command nothing.
        """
        screen = pyte.Screen(self.columns, self.lines)
        stream = pyte.ByteStream(screen)
        for moment, data in self.chunks:
            stream.feed(data)
            if seen(screen.display):
                return moment
        return None

    def screen(self) -> list[str]:
        """The last screen, a text a line."""
        screen = pyte.Screen(self.columns, self.lines)
        stream = pyte.ByteStream(screen)
        for _, data in self.chunks:
            stream.feed(data)
        return list(screen.display)


def record(
    argv: Sequence[str],
    *,
    until: bytes | None,
    columns: int = 120,
    lines: int = 40,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    settle: float = 0.2,
    timeout: float = 60.0,
    then: tuple[bytes, Callable[[], object]] | None = None,
) -> Recording:
    """Run `argv` until the bytes `until` have come and `settle` seconds more, then kill it; without, for `timeout`.

    Args:
        then: bytes, and what is called once when they have come.

    Raises:
        TimeoutError: the bytes never came.
    """
    found = Recording(columns, lines)
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        if cwd:
            os.chdir(cwd)
        os.execvpe(argv[0], list(argv), dict(os.environ | dict(environment or {})))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    seen, end = b"", start + timeout
    while (now := time.perf_counter()) < end:
        if not select.select([terminal], [], [], end - now)[0]:
            break
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        found.chunks.append((time.perf_counter() - start, data))
        seen += data
        if then and then[0] in seen:
            then[1]()
            then = None
        if until and until in seen and end == start + timeout:
            end = time.perf_counter() + settle
    os.kill(pid, signal.SIGKILL)
    _, _, usage = os.wait4(pid, 0)
    os.close(terminal)
    found.peak = usage.ru_maxrss * 1024
    if until and until not in seen:
        raise TimeoutError(f"{argv[0]} never showed {until!r}; it said: {seen[-300:]!r}")
    return found
