"""The app in a real terminal, which tmux plays."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_NUMBERS = itertools.count()  # a server that was told to end may still be there under its name


class Tmux:
    """The app in a tmux server of its own."""

    def __init__(self, lab: Path, columns: int, lines: int, **environment: str) -> None:
        self._tmux = ["tmux", "-L", f"imgexp-test-{os.getpid()}-{next(_NUMBERS)}", "-f", os.devnull]
        words = [f"{k}={v}" for k, v in environment.items()]
        # A test runner may claim a size of its own, which would count for more than the terminal's.
        app = ["env", "-u", "COLUMNS", "-u", "LINES", *words, sys.executable, "-m", "imgexp_tui", str(lab)]
        self._call("new-session", "-d", "-x", str(columns), "-y", str(lines), *app)

    def screen(self, *, styled: bool = False) -> str:
        return self._call("capture-pane", "-p", *(["-e"] if styled else []))

    def keys(self, *names: str) -> None:
        self._call("send-keys", *names)

    def write(self, text: str) -> None:
        """As another program that writes on the same terminal."""
        Path(self._call("display-message", "-p", "#{pane_tty}").strip()).write_text(text)

    def pid(self) -> int:
        return int(self._call("display-message", "-p", "#{pane_pid}"))

    def until(self, true: Callable[[str], bool], what: str, seconds: float = 90) -> str:
        deadline = time.monotonic() + seconds
        while not true(screen := self.screen()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{screen}"
            time.sleep(0.1)
        return screen

    def shows(self, *words: str) -> str:
        return self.until(lambda screen: all(word in screen for word in words), f"{words} on the screen")

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, stderr=subprocess.DEVNULL)

    def _call(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True).stdout
