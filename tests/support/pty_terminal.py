"""A process in a pseudo-terminal, which the test can type into, read, and take away."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import threading

import pyte

from tests.helpers import wait_until


class Terminal:
    """A process in a pseudo-terminal of its own, what it sent (`raw`), and what stands on its screen."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")  # 24 rows, 80 columns
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.raw = bytearray()
        self._wake, self._woken = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self.master, self._wake], [], [])
            if self._wake in ready:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data
            self._stream.feed(data)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def shows(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in self._screen.display), f"{text!r} on the screen")

    def saved(self) -> None:
        """Wait for the time of the save; "unsaved" is no such thing."""
        wait_until(
            lambda: any(re.search(r"\bsaved \d", line) for line in self._screen.display), "the save on the screen"
        )

    def hang_up(self) -> None:
        os.write(self._woken, b"x")
        self._reader.join()  # a read that waits would keep the terminal open
        os.close(self.master)

    def ended(self) -> int:
        return self.process.wait(timeout=30)
