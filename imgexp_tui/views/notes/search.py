"""Where a text has what is sought, as plain functions of lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

Hit = tuple[tuple[int, int], tuple[int, int]]
"""Row and column of its start and of its end."""


def pattern(sought: str) -> re.Pattern[str] | None:
    """Matches `sought`, in either case where it has no capitals; None for nothing."""
    # Not by lowering both: that changes the length of some letters.
    return re.compile(re.escape(sought), 0 if sought != sought.lower() else re.IGNORECASE) if sought else None


def hits(lines: Iterable[str], sought: re.Pattern[str]) -> list[Hit]:
    """Every occurrence, in order."""
    return [((row, m.start()), (row, m.end())) for row, line in enumerate(lines) for m in sought.finditer(line)]


def following(found: Sequence[Hit], here: tuple[int, int], *, forward: bool, beyond: bool) -> int:
    """Index of the hit after `here`, or before it; from the other end where there is none.

    Args:
        beyond: whether a hit that begins at `here` is passed over.
    """
    at = bisect_left([start for start, _ in found], here)
    if forward:
        return (at + (beyond and at < len(found) and found[at][0] == here)) % len(found)
    return (at - 1) % len(found)
