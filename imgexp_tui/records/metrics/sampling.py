"""A first look at a long record: pieces from all over it and its end, read in the time of one frame."""

from __future__ import annotations

import os
from pathlib import Path

LONG_RECORD_BYTES = 4 << 20
"""Bytes of `metrics.jsonl` that are read at once; what is longer is opened from its snapshot, or sampled first."""
_PIECE_COUNT, _PIECE_BYTES, _TAIL_BYTES = 48, 8 << 10, 256 << 10


def sample_lines(metrics_file: Path, size: int) -> list[bytes]:
    """Pieces of whole lines, in their order, the beginning and the last complete lines among them.

    Raises:
        OSError: it cannot be read.
    """
    fd = os.open(metrics_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rest = max(0, size - _TAIL_BYTES)
        pieces = (
            [_whole_lines(fd, rest * i // _PIECE_COUNT, min(_PIECE_BYTES, rest)) for i in range(_PIECE_COUNT)]
            if rest
            else []
        )
        pieces.append(_whole_lines(fd, rest, size - rest))
    finally:
        os.close(fd)
    return [piece for piece in pieces if piece]


def _whole_lines(fd: int, start: int, length: int) -> bytes:
    """The lines that stand wholly in a piece of the file."""
    data = os.pread(fd, length, start)
    first = data.find(b"\n") + 1 if start else 0
    end = data.rfind(b"\n") + 1
    return data[first:end] if end > first else b""
