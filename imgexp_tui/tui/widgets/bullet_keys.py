"""What Enter and Tab do in a list, as plain functions of lines: continued, ended, nested.

Bullets are those that people write: `- text`, `-text`, `* text`, `+ text`, `1. text`, `1) text`, `- [ ] text`. A `*`,
a `+` or a number needs a blank after it, because `*word*` and `1.5` are no bullets; `--` is a rule, not a bullet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BULLET = re.compile(
    r"(?P<indent>[ \t]*)"
    r"(?P<mark>[*+](?=[ \t]|$)|-(?!-)|\d{1,9}[.)](?=[ \t]|$))"
    r"(?P<blank>[ \t]*)"
    r"(?P<box>\[[ xX]\](?:[ \t]+|$))?"
)
_NEST = "    "


@dataclass(frozen=True, slots=True)
class Enter:
    """What Enter puts in: `text` in place of the line's columns `start` to the cursor."""

    start: int
    text: str


def enter(line: str, column: int) -> Enter:
    """What Enter does with the cursor at `column` of `line`: a newline, with the next bullet where one stands.

    On a bullet that says nothing it ends the list: the bullet goes, and no new line is begun.
    """
    found = _BULLET.match(line)
    if not found:
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        return Enter(column, "\n" + indent[:column])
    if not line[found.end() :].strip() and column >= found.end("mark"):
        return Enter(0, "")
    if column < found.end():
        return Enter(column, "\n")
    return Enter(column, "\n" + _next(found))


def next_bullet(note: str) -> str:
    """A new bullet for a note that ends in a list, in the manner of its last top-level one; "" where there is none."""
    lines = note.rstrip().splitlines()
    if not lines or not (is_bullet(lines[-1]) or lines[-1][:1].isspace()):
        return ""
    last = next((line for line in reversed(lines) if is_bullet(line) and not line[0].isspace()), "")
    return enter(last, len(last)).text.removeprefix("\n")


def _next(found: re.Match[str]) -> str:
    mark = found["mark"]
    if mark[0].isdigit():
        mark = f"{int(mark[:-1]) + 1}{mark[-1]}"
    return found["indent"] + mark + found["blank"] + ("[ ] " if found["box"] else "")


def is_bullet(line: str) -> bool:
    return _BULLET.match(line) is not None


def nesting(lines: Iterable[str]) -> str:
    """The step by which a note's author nests: the smallest indentation of a bullet; four blanks where none is."""
    indents = [found["indent"] for line in lines if (found := _BULLET.match(line)) and found["indent"]]
    return min(indents, key=len, default=_NEST)


def nested(line: str, step: str) -> str:
    """`line` one step further in; an empty line stays."""
    return step + line if line.strip() else line


def unnested(line: str, step: str) -> str:
    """`line` one step further out, as far as it goes."""
    if line.startswith(step):
        return line[len(step) :]
    if line.startswith("\t"):
        return line[1:]
    return line[min(len(step), len(line) - len(line.lstrip(" "))) :]
