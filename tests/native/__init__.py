"""Small C programs that play what cannot be had otherwise, and how they are built.

`faults` makes calls of a process fail or kills it at them, `recorder` notes them down, and `clock` shifts the time, all
three preloaded; `fake_nvml` and `fake_cards` are GPU drivers that a file moves.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from tests.support import tools

SOURCES = Path(__file__).parent
DRIVER = "libnvidia-ml.so.1"


@functools.cache
def library(name: str) -> Path:
    """`name`.c, built to be preloaded."""
    return _built(name, Path(tempfile.mkdtemp(prefix="imgexp-native-")) / f"{name}.so", "-O1")


def driver(folder: Path, name: str = "fake_nvml") -> Path:
    """The folder, once `name`.c lies in it as the library of NVIDIA's driver."""
    return _built(name, folder / DRIVER).parent


def _built(name: str, to: Path, *options: str) -> Path:
    tools.need("compiler")
    words = [tools.compiler(), "-shared", "-fPIC", *options, "-o", str(to), str(SOURCES / f"{name}.c")]
    subprocess.run(words, check=True)
    return to
