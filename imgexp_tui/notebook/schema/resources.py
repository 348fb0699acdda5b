"""What a run needs of a machine: where it is started, GPUs, memory on each. Keys of `[lab]` and of versions.

They are no settings of the trainer: they change where and when a version is trained, not what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgexp_tui.notebook.schema.settings import closest_name

LAUNCHERS = ("local", "slurm")
RESOURCE_KEYS = ("launcher", "gpus", "gpu_memory")
"""The keys that `[lab]` and every version take; a version without one has its base's, then the lab's."""
MAX_GPUS = 1024
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B\s*", re.IGNORECASE)
_SIZE_PREFIXES = "KMGT"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one run needs.

    Attributes:
        launcher: one of `LAUNCHERS`.
        gpus: how many; 0 keeps to the CPU. On a machine without GPUs, processes that share the work.
        gpu_memory: bytes that must be free on each; 0 where nothing is said.
    """

    launcher: str = "local"
    gpus: int = 1
    gpu_memory: int = 0


def resource_error(key: str, value: object) -> str | None:
    """What is wrong with the value of one of `RESOURCE_KEYS`, and the mend; None where it is right."""
    if key == "launcher":
        if value in LAUNCHERS:
            return None
        near = closest_name(str(value), LAUNCHERS)
        return f"{value!r} is unknown; take {' or '.join(LAUNCHERS)}" + (f" (did you mean {near!r}?)" if near else "")
    if key == "gpus":
        return count_error(value, 0, MAX_GPUS)
    return None if isinstance(value, str) and _SIZE.fullmatch(value) else 'must be a size in quotes, such as "8 GB"'


def count_error(value: object, low: int, high: int) -> str | None:
    """What is wrong with a whole number that must lie between `low` and `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        return f"must be a whole number between {low} and {high:,}"
    return None


def sbatch_options_error(table: object) -> str | None:
    """What is wrong with `[lab.slurm]`: names of sbatch's long options, with a text, a number or true."""
    if not isinstance(table, dict):
        return "must be a table; write [lab.slurm]"
    for name, value in table.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            return f"{name!r} is no option of sbatch; write its long name, such as partition"
        if not isinstance(value, str | int) or (isinstance(value, str) and "\n" in value):
            return f"{name} must be a text, a whole number or true"
    return None


def parse_size(text: str) -> int:
    """Bytes of a size such as "8 GB" or "7.5 GiB"; as drivers and data sheets write them, GB is 10⁹ bytes.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a size")
    unit = (found[2] or "").upper()
    base = 1024 if unit.endswith("I") else 1000
    power = _SIZE_PREFIXES.index(unit[0]) + 1 if unit else 0
    return int(float(found[1]) * float(base**power))


def resolve_resources(*tables: Mapping[str, Any]) -> Resources:
    """The needs that `tables` state, nearest first; values that are wrong count as unsaid."""
    found: dict[str, Any] = {}
    for key in RESOURCE_KEYS:
        stated = (table[key] for table in tables if key in table and resource_error(key, table[key]) is None)
        if (value := next(stated, None)) is not None:
            found[key] = parse_size(value) if key == "gpu_memory" else value
    return Resources(**found)
