"""The app over a real SSH connection: what is left when the connection drops."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import loopback
import pytest

from imgexp_tui.records.rundir import find_runs
from imgexp_tui.records.status import State, status
from imgexp_tui.runner.control import stop, wait_for_end
from tests.conftest import NewLab
from tests.helpers import wait_until

pytestmark = pytest.mark.sshd

until = partial(wait_until, seconds=60)
NOTEBOOK = """\
[versions.v0]
summary = '''Sleeps.'''
takeaways = '''
-first
'''
command = ["sh", "-c", "echo up; exec sleep 600"]
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """The words that log in to this machine through an sshd of the test's own."""
    with loopback.server(tmp_path / "ssh") as server:
        yield server.words


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(NOTEBOOK, "lab", runs=True)


class Session:
    """An SSH client in a pseudo-terminal of 100×30."""

    def __init__(self, ssh: list[str], lab: Path, state: Path) -> None:
        app = f"env XDG_STATE_HOME={state} TERM=xterm-256color {sys.executable} -m imgexp_tui {lab}"
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvp(ssh[0], [*ssh, app])
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        os.set_blocking(self.terminal, False)
        self.seen = b""

    def shows(self, word: bytes) -> None:
        until(lambda: word in self._read(), f"{word!r} on the screen")

    def type(self, keys: bytes) -> None:
        self.seen = b""
        os.write(self.terminal, keys)

    def drop(self) -> None:
        """End the client at once, as a lost network or a closed lid would."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def _read(self) -> bytes:
        with contextlib.suppress(OSError):
            self.seen += os.read(self.terminal, 1 << 16)
        return self.seen


def test_a_dropped_connection_leaves_the_run_and_the_note(ssh: list[str], lab: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    session = Session(ssh, lab, state)
    session.shows(b"v0")
    session.type(b"r")
    until(lambda: any(status(run).state is State.RUNNING for run in find_runs(lab)), "the run is running")
    session.type(b"e")
    session.shows(b"Dated mark")
    session.type(b"written on the train ")
    until(lambda: "written on the train" in _drafts(state), "the draft is journaled")
    session.drop()

    (run,) = find_runs(lab)
    assert status(run).state is State.RUNNING

    again = Session(ssh, lab, state)
    again.shows(b"running")
    again.type(b"e")
    again.shows(b"written on the train")
    again.drop()
    stop(run)
    assert wait_for_end(run).state is State.STOPPED


def _drafts(state: Path) -> str:
    return "".join(p.read_text(errors="replace") for p in state.rglob("*") if p.is_file())


def test_the_record_is_whole_after_the_drop(ssh: list[str], lab: Path, tmp_path: Path) -> None:
    (lab / "experiments.toml").write_text(
        '[versions.v0]\ncommand = ["sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"]\n'
    )
    session = Session(ssh, lab, tmp_path / "state")
    session.shows(b"v0")
    session.type(b"r")
    until(lambda: any(run.log.exists() and run.log.stat().st_size for run in find_runs(lab)), "the log grows")
    session.drop()
    (run,) = find_runs(lab)
    assert wait_for_end(run).state is State.FINISHED
    assert run.log.read_text() == "".join(f"line {i}\n" for i in range(1, 7))
    assert json.loads(run.exit.read_text())["exit_code"] == 0
