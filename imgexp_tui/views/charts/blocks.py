"""Draws a value as one of eight block characters, for curves and gauges that are one row high."""

from __future__ import annotations

_BLOCKS = "▁▂▃▄▅▆▇█"


def block(fraction: float) -> str:
    """The block whose height stands for a finite `fraction` of 0 to 1; values beyond count as 0 or 1."""
    return _BLOCKS[round(min(1.0, max(0.0, fraction)) * 7)]
