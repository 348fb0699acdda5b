"""A first look at a long record: pieces from all over it and its end, read in the time of one frame."""

from __future__ import annotations

import os
from pathlib import Path

LONG = 4 << 20
"""Bytes of `metrics.jsonl` that are read at once; what is longer is opened from its snapshot, or sampled first."""
_PIECES, _PIECE, _END = 48, 8 << 10, 256 << 10


def sampled(record: Path, size: int) -> list[bytes]:
    """Pieces of whole lines, in their order, the beginning and the last complete lines among them.

    Raises:
        OSError: it cannot be read.
    """
    fd = os.open(record, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rest = max(0, size - _END)
        pieces = [_lines(fd, rest * i // _PIECES, min(_PIECE, rest)) for i in range(_PIECES)] if rest else []
        pieces.append(_lines(fd, rest, size - rest))
    finally:
        os.close(fd)
    return [piece for piece in pieces if piece]


def _lines(fd: int, start: int, length: int) -> bytes:
    """The lines that stand wholly in a piece of the file."""
    data = os.pread(fd, length, start)
    first = data.find(b"\n") + 1 if start else 0
    end = data.rfind(b"\n") + 1
    return data[first:end] if end > first else b""
