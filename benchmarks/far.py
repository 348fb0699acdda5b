"""The app, or any command, in tmux on the other side of an SSH connection, and what its terminal showed when."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 90.0


def app(lab: Path, state: Path) -> list[str]:
    """The command that opens the app on `lab`, with its drafts in `state`."""
    settings = {"PYTHONPATH": ROOT, "XDG_STATE_HOME": state, "XDG_CACHE_HOME": state}
    return ["env", *(f"{k}={v}" for k, v in settings.items()), sys.executable, "-m", "imgexp_tui", str(lab)]


class Far:
    """A command in tmux, over SSH, in a pseudo-terminal of this side.

    Args:
        login: the words that log in.
        command: what runs in tmux there.
        name: of the tmux server, which is ended with this.
    """

    def __init__(self, login: Sequence[str], command: Sequence[str], name: str, size: tuple[int, int]) -> None:
        self.size = size
        self.chunks: list[tuple[float, bytes]] = []
        self._tmux = ["tmux", "-L", name, "-f", os.devnull]
        words = shlex.join([*self._tmux, "new-session", shlex.join(command)])
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(login[0], [*login, words], dict(os.environ) | {"TERM": "xterm-256color"})
        columns, lines = size
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        threading.Thread(target=self._read, daemon=True).start()
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0

    def type(self, keys: str) -> float:
        """Send keys; when they were sent."""
        moment = time.perf_counter()
        os.write(self._terminal, keys.encode())
        return moment

    def until(self, seen: Callable[[list[str]], bool], what: str) -> None:
        """Wait for what the screen shall show."""
        deadline = time.monotonic() + _PATIENCE
        while not seen(self.screen()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never on the screen: {what}\n" + "\n".join(self.screen()))
            time.sleep(0.05)

    def shows(self, word: str) -> None:
        """Wait for a word on the screen."""
        self.until(lambda screen: any(word in row for row in screen), repr(word))

    def screen(self) -> list[str]:
        """What stands there now."""
        for _, data in self.chunks[self._fed :]:
            self._stream.feed(data)
            self._fed += 1
        return list(self._screen.display)

    def echoes(self, keys: Sequence[tuple[float, str]]) -> list[float]:
        """For each key, sent at a moment, the seconds until its text stood on the screen.

        What came is replayed when all of it is there, so that drawing it here delays no key.
        """
        start, found = self._fed, list[float]()
        deadline = time.monotonic() + _PATIENCE
        while len(found) < len(keys) and time.monotonic() < deadline:
            if self._fed == len(self.chunks):
                time.sleep(0.05)
                continue
            moment, data = self.chunks[self._fed]
            self._stream.feed(data)
            self._fed += 1
            rows = self._screen.display
            while len(found) < len(keys) and moment >= keys[len(found)][0]:
                sent, text = keys[len(found)]
                if not any(text in row for row in rows):
                    break
                found.append(moment - sent)
        if len(found) < len(keys):
            raise TimeoutError(f"{keys[len(found)][1]!r} never stood on the screen ({self._fed - start} pieces came)")
        return found

    def end(self) -> None:
        """End tmux, what runs in it, and the connection."""
        subprocess.run([*self._tmux, "kill-server"], check=False, stderr=subprocess.DEVNULL)
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        with contextlib.suppress(OSError):
            os.close(self._terminal)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self.chunks.append((time.perf_counter(), data))
