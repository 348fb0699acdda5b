"""Moves the cursor along when others change a text: it stays at the same words."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import takewhile

CursorPosition = tuple[int, int]
"""Row and column."""


def moved_position(before: str, after: str, position: CursorPosition) -> CursorPosition:
    """The position in `after` that corresponds to `position` in `before`.

    Compares whole lines, because a line that others insert below the cursor must not move it; within a changed line,
    compares the unchanged beginning and end.
    """
    row, column = position
    old, new = before.split("\n"), after.split("\n")
    head = common_prefix_length(old, new)
    tail = common_prefix_length(old[head:][::-1], new[head:][::-1])
    if row < head:
        return position
    if row >= len(old) - tail:
        return row + len(new) - len(old), column
    middle = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    for tag, start, end, begin, stop in middle.get_opcodes():
        if not start <= row - head < end:
            continue
        if tag == "equal":
            return row - start + begin, column
        candidates = range(head + begin, head + stop)
        if not candidates:
            break
        best = max(candidates, key=lambda at: (_common_ends_length(old[row], new[at]), at == row - start + begin))
        return best, _moved_column(old[row], new[best], column)
    return min(head + begin, len(new) - 1), 0


def _moved_column(old: str, new: str, column: int) -> int:
    head = common_prefix_length(old, new)
    tail = common_prefix_length(old[head:][::-1], new[head:][::-1])
    if column > head and column >= len(old) - tail:
        return column + len(new) - len(old)
    return min(column, len(new))


def _common_ends_length(old: str, new: str) -> int:
    """Number of unchanged characters at both ends of a line."""
    head = common_prefix_length(old, new)
    return head + common_prefix_length(old[head:][::-1], new[head:][::-1])


def common_prefix_length(a: list[str] | str, b: list[str] | str) -> int:
    """Length of the common beginning of two sequences."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
