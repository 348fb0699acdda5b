"""JSON on standard output."""

from __future__ import annotations

import sys
from typing import Any

import orjson


def print_json(data: Any) -> int:
    """Print `data` as indented JSON with a newline; 0."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
    return 0
