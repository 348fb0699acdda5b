"""Says which packages an optional part of the installation lacks, and how to install them.

The core installs without torch. Nothing is imported here: finding a package takes a millisecond, importing torch takes
seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

_TRAINER_PACKAGES = ("torch", "torchvision", "timm", "torchmetrics")


def missing_extra_error(extra: str, purpose: str, packages: Iterable[str]) -> str:
    """Return one sentence that names the missing packages and the command that installs them; "" where none is missing.

    Trainers run in this program's own interpreter, so this interpreter is the one to ask.

    Args:
        extra: its name in pyproject.toml.
        purpose: what needs it, the subject of the sentence.
        packages: import names.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if not missing:
        return ""
    return f"{purpose} needs {', '.join(missing)}; install with: pip install 'imgexp-tui[{extra}]'"


def missing_trainer_error() -> str:
    """Return why the shipped trainer cannot run here; "" where all that it needs is installed."""
    return missing_extra_error("train", "the shipped trainer", _TRAINER_PACKAGES)
