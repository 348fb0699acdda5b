"""Three-way merge of texts by line, after the diff3 algorithm (Khanna, Kunal, Pierce 2007).

Notes are lists that several hands add to. So two additions at the same place are no conflict, nor is an addition right
beside a line that the other side changed: both stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

OURS, MIDDLE, THEIRS = "<<<<<<< this edit", "=======", ">>>>>>> changed elsewhere"


def merge_texts(base: str, ours: str, theirs: str) -> tuple[str, bool]:
    """One text with the changes of both, and whether they went together.

    Where both changed the same lines, both versions of these stand in the text, between marks.
    """
    if ours in (base, theirs):
        return theirs, True
    if theirs == base:
        return ours, True
    old, a, b = (text.split("\n") for text in (base, ours, theirs))
    out: list[str] = []
    well = True
    for was, mine, other in _chunks(old, a, b):
        if mine in (was, other):
            out += other
        elif other == was:
            out += mine
        elif not was:
            out += _merge_additions(other, mine)
        elif (
            joined := _merge_adjacent_addition(was, mine, other) or _merge_adjacent_addition(was, other, mine)
        ) is not None:
            out += joined
        else:
            out += [OURS, *mine, MIDDLE, *other, THEIRS]
            well = False
    return "\n".join(out), well


def _merge_adjacent_addition(old: list[str], added: list[str], changed: list[str]) -> list[str] | None:
    """`changed` with what `added` puts before or after the lines that stood there; None where it does neither."""
    size = len(old)
    if added[:size] == old:
        return changed + added[size:]
    return added[:-size] + changed if added[-size:] == old else None


def _merge_additions(a: list[str], b: list[str]) -> list[str]:
    """Every line of both, in order; lines that both have stand once."""
    out: list[str] = []
    for tag, i, end, j, stop in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        out += a[i:end] if tag == "equal" else [*a[i:end], *b[j:stop]]
    return out


def _chunks(old: list[str], a: list[str], b: list[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """The three texts cut at the lines that all of them share, changed and shared parts in turn."""
    i = j = k = 0
    for start, in_a, in_b, size in _common_blocks(old, a, b):
        yield old[i:start], a[j:in_a], b[k:in_b]
        yield (old[start : start + size],) * 3
        i, j, k = start + size, in_a + size, in_b + size
    yield old[i:], a[j:], b[k:]


def _common_blocks(old: list[str], a: list[str], b: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Runs of lines that stand in all three: where in `old`, in `a`, in `b`, and how many."""
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
