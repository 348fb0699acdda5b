"""The C libraries of the tests, to be preloaded: `faults` makes calls fail or kills, `recorder` notes them down."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCES = Path(__file__).resolve().parent.parent / "tests" / "native"
NAMES = ("recorder", "faults")


def build(folder: Path) -> str:
    """Build both; the value of `LD_PRELOAD` that loads them.

    Raises:
        OSError, subprocess.CalledProcessError: there is no compiler, or it fails.
    """
    for name in NAMES:
        source, built = _SOURCES / f"{name}.c", folder / f"{name}.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(built), str(source)], check=True)
    return " ".join(str(folder / f"{name}.so") for name in NAMES)


def ensure() -> None:
    """Start this program again with both loaded, unless they are."""
    if not hasattr(ctypes.CDLL(None), "record_arm"):
        folder = Path(tempfile.mkdtemp(prefix="imgexp-preload-"))
        try:
            value = build(folder)
        except (OSError, subprocess.CalledProcessError):
            shutil.rmtree(folder)
            sys.exit("This needs gcc, to build the libraries of tests/native/*.c. Mend: apt-get install gcc")
        environment = {**os.environ, "LD_PRELOAD": value, "IMGEXP_PRELOAD": str(folder)}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    os.environ.pop("LD_PRELOAD", None)
    if folder_ := os.environ.pop("IMGEXP_PRELOAD", ""):
        atexit.register(_remove, os.getpid(), folder_)


def _remove(pid: int, folder: str) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def fail(under: Path, call: int, deed: str, only: str = "", log: Path | None = None) -> None:
    """From now on the `call`-th call of this process on files below `under` fails with, or is, `deed`.

    Args:
        call: 0 for none.
        only: "=" and the name of the only file that counts.
        log: gets a line for each call.
    """
    noted = os.fsencode(log) if log else b""
    ctypes.CDLL(None).fault_arm(os.fsencode(under), only.encode(), ctypes.c_long(call), deed.encode(), noted)


def record(under: Path, log: Path) -> None:
    """From now on note what this process changes below `under`."""
    ctypes.CDLL(None).record_arm(os.fsencode(under), b"", os.fsencode(log))


def mark(log: Path, what: str) -> None:
    """Note in a record that something was reached."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(fd, f"mark\t0\t{what}\t\t0\n".encode())
    os.close(fd)


def stop() -> None:
    """Neither fail nor record any more."""
    library = ctypes.CDLL(None)
    library.record_disarm()
    library.fault_disarm()
