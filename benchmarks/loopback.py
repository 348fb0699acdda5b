"""An SSH server of one's own on this machine, for what is to be seen over a real connection."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = Path("/usr/sbin/sshd")
_PATIENCE = 30.0


def missing() -> str:
    """Why there can be no server here; "" where there can."""
    return "" if SSHD.exists() and shutil.which("ssh") and shutil.which("ssh-keygen") else "OpenSSH is not installed"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        pid: of the one that listens.
        words: the command line that logs in; a command for the other side comes after it.
        port: that it listens on.
    """

    pid: int
    words: list[str]
    port: int

    def through(self, port: int) -> list[str]:
        """The command line that logs in through another port, such as a relay's."""
        at = self.words.index("-p") + 1
        return [*self.words[:at], str(port), *self.words[at + 1 :]]


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    """An sshd that lets this user in, with keys and configuration in `folder`."""
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    with contextlib.suppress(OSError):
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PidFile {folder}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("sshd does not come up")
            time.sleep(0.05)
        yield Server(process.pid, _login(folder, port), port)
    finally:
        process.terminate()
        process.wait()


def _login(folder: Path, port: int) -> list[str]:
    return [
        "ssh", "-tt", "-F", "none", "-i", str(folder / "user"), "-p", str(port), "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "127.0.0.1",
    ]  # fmt: skip


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
