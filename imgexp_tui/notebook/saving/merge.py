"""Three-way merge of two edits of a text by line, after the diff3 algorithm (Khanna, Kunal, Pierce 2007).

Notes are lists that several people and programs add to. So two additions at the same place are not a conflict, nor is
an addition next to a line that the other side changed: both are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

OURS, MIDDLE, THEIRS = "<<<<<<< this edit", "=======", ">>>>>>> changed elsewhere"


def merge_texts(base: str, ours: str, theirs: str) -> tuple[str, bool]:
    """Returns one text with the changes of both sides, and whether they merged without conflict.

    In a conflict, where both sides changed the same lines, both variants are in the text, between markers.
    """
    if ours in (base, theirs):
        return theirs, True
    if theirs == base:
        return ours, True
    old, a, b = (text.split("\n") for text in (base, ours, theirs))
    out: list[str] = []
    clean = True
    for base_lines, our_lines, their_lines in _chunks(old, a, b):
        if our_lines in (base_lines, their_lines):
            out += their_lines
        elif their_lines == base_lines:
            out += our_lines
        elif not base_lines:
            out += _merge_additions(their_lines, our_lines)
        elif (
            joined := _merge_adjacent_addition(base_lines, our_lines, their_lines)
            or _merge_adjacent_addition(base_lines, their_lines, our_lines)
        ) is not None:
            out += joined
        else:
            out += [OURS, *our_lines, MIDDLE, *their_lines, THEIRS]
            clean = False
    return "\n".join(out), clean


def _merge_adjacent_addition(old: list[str], added: list[str], changed: list[str]) -> list[str] | None:
    """Returns `changed` with what `added` puts before or after the `old` lines; None if it adds nothing there."""
    size = len(old)
    if added[:size] == old:
        return changed + added[size:]
    return added[:-size] + changed if added[-size:] == old else None


def _merge_additions(a: list[str], b: list[str]) -> list[str]:
    """Returns every line of both, in order; lines that both have are there once."""
    out: list[str] = []
    for tag, i, end, j, stop in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        out += a[i:end] if tag == "equal" else [*a[i:end], *b[j:stop]]
    return out


def _chunks(old: list[str], a: list[str], b: list[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Yields the three texts cut at the lines that all share, changed and shared parts alternating."""
    i = j = k = 0
    for start, in_a, in_b, size in _common_blocks(old, a, b):
        yield old[i:start], a[j:in_a], b[k:in_b]
        yield (old[start : start + size],) * 3
        i, j, k = start + size, in_a + size, in_b + size
    yield old[i:], a[j:], b[k:]


def _common_blocks(old: list[str], a: list[str], b: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yields blocks of lines that all three texts have: index in `old`, in `a`, in `b`, and the number of lines."""
    in_a = SequenceMatcher(None, old, a, autojunk=False).get_matching_blocks()
    in_b = SequenceMatcher(None, old, b, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(in_a) and j < len(in_b):
        start = max(in_a[i].a, in_b[j].a)
        ends = in_a[i].a + in_a[i].size, in_b[j].a + in_b[j].size
        if start < min(ends):
            yield start, in_a[i].b + start - in_a[i].a, in_b[j].b + start - in_b[j].a, min(ends) - start
        if ends[0] < ends[1]:
            i += 1
        else:
            j += 1
