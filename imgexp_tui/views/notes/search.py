"""Finds the matches of a search in a note, and the next or previous one from the cursor."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

MatchSpan = tuple[tuple[int, int], tuple[int, int]]
"""Row and column of a match's start, and of its end."""


def compile_query(query: str) -> re.Pattern[str] | None:
    """A pattern for `query`, ignoring case unless it has capitals; None for an empty query."""
    # Lowering both would change the length of some letters.
    return re.compile(re.escape(query), 0 if query != query.lower() else re.IGNORECASE) if query else None


def find_matches(lines: Iterable[str], pattern: re.Pattern[str]) -> list[MatchSpan]:
    """Every match, in order."""
    return [((row, m.start()), (row, m.end())) for row, line in enumerate(lines) for m in pattern.finditer(line)]


def next_match_index(
    matches: Sequence[MatchSpan], position: tuple[int, int], *, forward: bool, skip_current: bool
) -> int:
    """Index of the match after `position`, or before it; wraps around at the ends.

    Args:
        matches: at least one match.
        skip_current: whether to skip a match that starts at `position`.
    """
    at = bisect_left([start for start, _ in matches], position)
    if forward:
        return (at + (skip_current and at < len(matches) and matches[at][0] == position)) % len(matches)
    return (at - 1) % len(matches)
