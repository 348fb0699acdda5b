"""The checkpoint files `last` and `best`: written whole or not at all, with the state of the random generators."""

from __future__ import annotations

import io
import pickle
import random
from typing import Any

import numpy as np
import torch

from imgexp_tui import durable
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.errors import TrainingError

_FORMAT = 2


def save_checkpoint(run: RunDir, names: list[str], state: dict[str, Any], random_states: list[dict[str, Any]]) -> None:
    """Write `state`, and the random number generators' states of every process, under each of `names`.

    It is written to memory first: torch's own file writer hides the cause of an error, such as a full disk.

    Raises:
        OSError: it cannot be written; the older file is still whole.
    """
    buffer = io.BytesIO()
    torch.save(state | {"format": _FORMAT, "random": random_states}, buffer)
    run.checkpoints.mkdir(exist_ok=True)
    for name in names:
        durable.replace(run.checkpoints / name, buffer.getvalue())


def load_last_checkpoint(run: RunDir) -> dict[str, Any] | None:
    """The state in `last`; None if there is no such file. Code in the file is not run.

    Raises:
        TrainingError: the file cannot be read, or is not a checkpoint of this trainer.
    """
    path = run.checkpoints / "last"
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (RuntimeError, pickle.UnpicklingError, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"{path} cannot be read ({reason}); remove it to start this run from the beginning"
        ) from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise TrainingError(f"{path} is no checkpoint of this trainer; remove it to start this run from the beginning")
    return state


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Set every random generator of this process to a state from `capture_random_state`."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))


def capture_random_state(device: torch.device) -> dict[str, Any]:
    """The state of every random generator that this process draws from."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
    }
