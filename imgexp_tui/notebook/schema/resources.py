"""Declares what a run needs of a machine (`launcher`, `gpus`, `gpu_memory`, a launcher's table) and checks the values.

These keys of `[lab]` and of versions are not settings of the trainer: they change where and when a version is trained,
not the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgexp_tui.notebook.schema.launchers import LAUNCHERS, LOCAL
from imgexp_tui.notebook.schema.settings import closest_name

RESOURCE_KEYS = ("launcher", "gpus", "gpu_memory")
"""The keys that `[lab]` and every version take; a version without one takes its base's, then the lab's."""
MAX_GPUS = 1024
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B\s*", re.IGNORECASE)
_SIZE_PREFIXES = "KMGT"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one run needs.

    Attributes:
        launcher: one of `LAUNCHERS`.
        gpus: number of GPUs; 0 uses the CPU. On a machine without GPUs, the number of processes that share the work.
        gpu_memory: bytes that must be free on each GPU; 0 for no requirement.
    """

    launcher: str = LOCAL.name
    gpus: int = 1
    gpu_memory: int = 0


def resource_error(key: str, value: object) -> str | None:
    """Returns what is wrong with the value of one of `RESOURCE_KEYS` and how to fix it; None if it is valid."""
    if key == "launcher":
        if value in LAUNCHERS:
            return None
        near = closest_name(str(value), LAUNCHERS)
        return f"{value!r} is unknown; take {' or '.join(LAUNCHERS)}" + (f" (did you mean {near!r}?)" if near else "")
    if key == "gpus":
        return count_error(value, 0, MAX_GPUS)
    return None if isinstance(value, str) and _SIZE.fullmatch(value) else 'must be a size in quotes, such as "8 GB"'


def count_error(value: object, low: int, high: int) -> str | None:
    """Returns what is wrong with a whole number that must lie between `low` and `high`; None if it is valid."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        return f"must be a whole number between {low} and {high:,}"
    return None


def parse_size(text: str) -> int:
    """Returns the bytes of a size such as "8 GB" or "7.5 GiB". GB is 10⁹ bytes, as in drivers and data sheets.

    Raises:
        ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a size")
    unit = (match[2] or "").upper()
    base = 1024 if unit.endswith("I") else 1000
    power = _SIZE_PREFIXES.index(unit[0]) + 1 if unit else 0
    return int(float(match[1]) * float(base**power))


def resolve_resources(*tables: Mapping[str, Any]) -> Resources:
    """Returns the needs that `tables` state, nearest first; invalid values are ignored."""
    values: dict[str, Any] = {}
    for key in RESOURCE_KEYS:
        stated = (table[key] for table in tables if key in table and resource_error(key, table[key]) is None)
        if (value := next(stated, None)) is not None:
            values[key] = parse_size(value) if key == "gpu_memory" else value
    return Resources(**values)
