"""Draws the difference of two texts: removed lines with -, added lines with +, some context; no colours needed."""

from __future__ import annotations

from difflib import SequenceMatcher

from imgexp_tui.views.styled import Line, line
from imgexp_tui.views.wrap import wrap

_CONTEXT_LINES = 2
_SIGN_ROLES = {" ": "quiet", "-": "bad", "+": "good"}


def diff_lines(old: str, new: str, width: int) -> list[Line]:
    """The changes from `old` to `new` with context lines, wrapped to `width` cells."""
    a, b = old.splitlines(), new.splitlines()
    if a == b:
        return [line(("no difference" if old == new else "only line ends differ", "quiet"))]
    out: list[Line] = []
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    for at, (tag, i, end, j, stop) in enumerate(blocks):
        if tag == "equal":
            out += _context_lines(a[i:end], width, is_first=at == 0, is_last=at == len(blocks) - 1)
            continue
        for sign, texts in (("-", a[i:end]), ("+", b[j:stop])):
            out += [piece for text in texts for piece in _signed_lines(sign, text, width)]
    return out


def _context_lines(texts: list[str], width: int, *, is_first: bool, is_last: bool) -> list[Line]:
    """Unchanged lines: those next to a change, and the number of lines left out between."""
    head = 0 if is_first else _CONTEXT_LINES
    tail = 0 if is_last else _CONTEXT_LINES
    left_out = len(texts) - head - tail
    if left_out < 2:
        return [piece for text in texts for piece in _signed_lines(" ", text, width)]
    out = [piece for text in texts[:head] for piece in _signed_lines(" ", text, width)]
    out.append(line((f"  ⋯ {left_out} lines that both have", "quiet")))
    return out + [piece for text in texts[len(texts) - tail :] for piece in _signed_lines(" ", text, width)]


def _signed_lines(sign: str, text: str, width: int) -> list[Line]:
    pieces = wrap(text, width - 2) or [""]
    return [line((f"{sign} {piece}", _SIGN_ROLES[sign])) for piece in pieces]
