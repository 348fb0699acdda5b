"""JSON of what may hold text from outside: file names and settings that are no UTF-8 must not lose a record."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(data: Any, option: int) -> bytes:
    """`data` as JSON, by orjson; characters that UTF-8 cannot carry (lone surrogates) become "?".

    Raises:
        TypeError: a value that JSON has no form for.
    """
    try:
        return orjson.dumps(data, option=option)
    except TypeError:
        return orjson.dumps(_scrubbed(data), option=option)


def _scrubbed(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode()
    if isinstance(data, dict):
        return {_scrubbed(k): _scrubbed(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_scrubbed(v) for v in data]
    return data
