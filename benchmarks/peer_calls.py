"""What a call of other loggers costs, each with the two metrics of `curves.py`. Run by the Python that has them.

    VENV/bin/python peer_calls.py FOLDER

Prints a name and seconds a call for each logger that can be imported there; says nothing of the others.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS, BLOCKS = 500, 9
Log = Callable[[int, dict[str, float]], object]


def tensorboardx(folder: Path) -> Log:
    """One event for each metric, as its API has it."""
    writer = importlib.import_module("tensorboardX").SummaryWriter(str(folder / "tensorboardX"))
    return lambda step, values: [writer.add_scalar(name, value, step) for name, value in values.items()]


def tensorboard(folder: Path) -> Log:
    """The writer that comes with TensorBoard."""
    writer = importlib.import_module("tensorboard.summary").Writer(str(folder / "tensorboard"))
    return lambda step, values: [writer.add_scalar(name, value, step) for name, value in values.items()]


def wandb_offline(folder: Path) -> Log:
    """Into a run of its own, without a network."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(folder)}
    run: Any = importlib.import_module("wandb").init(project="calls", dir=str(folder))
    return lambda step, values: run.log(values, step=step)


def main() -> None:
    folder = Path(sys.argv[1])
    for name, made in (("tensorboardX", tensorboardx), ("tensorboard", tensorboard), ("wandb_offline", wandb_offline)):
        with contextlib.suppress(ImportError):
            log = made(folder)
            print(name, statistics.median(_block(log, first * CALLS) for first in range(BLOCKS)), flush=True)


def _block(log: Log, first: int) -> float:
    start = time.perf_counter()
    for step in range(first, first + CALLS):
        log(step, {"train/loss": 0.5 / (step + 1), "train/accuracy": 0.7})
    return (time.perf_counter() - start) / CALLS


if __name__ == "__main__":
    main()
