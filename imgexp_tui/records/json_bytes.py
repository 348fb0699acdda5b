"""Writes JSON that may hold text from outside: file names and settings that are not UTF-8 must not lose a record."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(data: Any, option: int) -> bytes:
    """`data` as JSON, by orjson; characters that UTF-8 cannot encode (lone surrogates) become "?".

    Raises:
        TypeError: a value that JSON cannot represent.
    """
    try:
        return orjson.dumps(data, option=option)
    except TypeError:
        return orjson.dumps(_replace_surrogates(data), option=option)


def _replace_surrogates(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode()
    if isinstance(data, dict):
        return {_replace_surrogates(k): _replace_surrogates(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_replace_surrogates(v) for v in data]
    return data
