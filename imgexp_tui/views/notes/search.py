"""Where a text has what is sought, as plain functions of lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

MatchSpan = tuple[tuple[int, int], tuple[int, int]]
"""Row and column of its start and of its end."""


def compile_query(query: str) -> re.Pattern[str] | None:
    """Matches `query`, in either case where it has no capitals; None for nothing."""
    # Not by lowering both: that changes the length of some letters.
    return re.compile(re.escape(query), 0 if query != query.lower() else re.IGNORECASE) if query else None


def find_matches(lines: Iterable[str], pattern: re.Pattern[str]) -> list[MatchSpan]:
    """Every occurrence, in order."""
    return [((row, m.start()), (row, m.end())) for row, line in enumerate(lines) for m in pattern.finditer(line)]


def next_match_index(
    matches: Sequence[MatchSpan], position: tuple[int, int], *, forward: bool, skip_current: bool
) -> int:
    """Index of the hit after `position`, or before it; from the other end where there is none.

    Args:
        skip_current: whether a hit that begins at `position` is passed over.
    """
    at = bisect_left([start for start, _ in matches], position)
    if forward:
        return (at + (skip_current and at < len(matches) and matches[at][0] == position)) % len(matches)
    return (at - 1) % len(matches)
