"""Prints JSON for the `--json` option of the commands."""

from __future__ import annotations

import sys
from typing import Any

import orjson


def print_json(data: Any) -> int:
    """Prints `data` as indented JSON with a final newline; returns the exit code 0."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
    return 0
