"""Writes the run of `curves.py` with another logger, for its viewer. Run by the Python that has it.

VENV/bin/python peer_run.py FOLDER STEPS SPIKE_STEP
"""

from __future__ import annotations

import importlib
import os
import sys


def main(folder: str, steps: int, spike: int) -> None:
    """wandb's offline run: two metrics a step, one of them with a spike of 10 at one step."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    wandb = importlib.import_module("wandb")
    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off")
    run = wandb.init(project="curves", dir=folder, settings=settings)
    for step in range(1, steps + 1):
        loss = 10.0 if step == spike else 2 / step**0.2
        run.log({"train/loss": loss, "train/accuracy": 1 - 1 / (1 + 15 * step / steps)}, step=step)
    run.finish()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
