"""Edits bulleted lists: what Enter, Tab and the checkbox key do to the lines of a note.

Recognised bullets: `- text`, `-text`, `* text`, `+ text`, `1. text`, `1) text`, `- [ ] text`. A `*`, a `+` or a number
needs a blank after it, because `*word*` and `1.5` are no bullets; `--` is a rule, not a bullet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BULLET = re.compile(
    r"(?P<indent>[ \t]*)"
    r"(?P<mark>[*+](?=[ \t]|$)|-(?!-)|\d{1,9}[.)](?=[ \t]|$))"
    r"(?P<blank>[ \t]*)"
    r"(?P<box>\[[ xX]\](?:[ \t]+|$))?"
)
_DEFAULT_INDENT = "    "


@dataclass(frozen=True, slots=True)
class EnterEdit:
    """The edit for Enter: `text` replaces the line's columns from `start` to the cursor."""

    start: int
    text: str


def edit_for_enter(line: str, column: int) -> EnterEdit:
    """The edit for Enter with the cursor at `column` of `line`: a newline, and the next bullet after a bullet.

    On an empty bullet, Enter ends the list: it removes the bullet and starts no new line.
    """
    match = _BULLET.match(line)
    if not match:
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        return EnterEdit(column, "\n" + indent[:column])
    if not line[match.end() :].strip() and column >= match.end("mark"):
        return EnterEdit(0, "")
    if column < match.end():
        return EnterEdit(column, "\n")
    return EnterEdit(column, "\n" + _next_prefix(match))


def next_bullet(note: str) -> str:
    """A new bullet in the style of the last top-level one, for a note that ends in a list; "" for other notes."""
    lines = note.rstrip().splitlines()
    if not lines or not (is_bullet(lines[-1]) or lines[-1][:1].isspace()):
        return ""
    last = next((line for line in reversed(lines) if is_bullet(line) and not line[0].isspace()), "")
    return edit_for_enter(last, len(last)).text.removeprefix("\n")


def _next_prefix(match: re.Match[str]) -> str:
    mark = match["mark"]
    if mark[0].isdigit():
        mark = f"{int(mark[:-1]) + 1}{mark[-1]}"
    return match["indent"] + mark + match["blank"] + ("[ ] " if match["box"] else "")


def is_bullet(line: str) -> bool:
    return _BULLET.match(line) is not None


def toggle_boxes(lines: Sequence[str]) -> list[str]:
    """Toggle the checkboxes of `lines`: add missing ones; if all have one, tick all; if all are ticked, untick all.

    A line that is no bullet becomes one, except empty lines among several.
    """
    matches = [_BULLET.match(line) for line in lines]
    meant = [bool(line.strip()) or len(lines) == 1 for line in lines]
    boxes = [m["box"] if m else None for m, so in zip(matches, meant, strict=True) if so]
    if not all(boxes):
        return [_add_box(line) if so else line for line, so in zip(lines, meant, strict=True)]
    sign = "x" if any("[ ]" in (box or "") for box in boxes) else " "
    return [f"{line[: m.start('box')]}[{sign}]{line[m.start('box') + 3 :]}" if m and m["box"] else line
            for line, m in zip(lines, matches, strict=True)]  # fmt: skip


def _add_box(line: str) -> str:
    match = _BULLET.match(line)
    if match is None:
        text = line.lstrip(" \t")
        return f"{line[: len(line) - len(text)]}- [ ] {text}"
    if match["box"]:
        return line
    # Markdown needs a blank here, even where the author writes "-text".
    return f"{match['indent']}{match['mark']}{match['blank'] or ' '}[ ] {line[match.end() :]}"


def indent_step(lines: Iterable[str]) -> str:
    """The indentation step of a note: the smallest indentation of a bullet; four blanks where no bullet is indented."""
    indents = [match["indent"] for line in lines if (match := _BULLET.match(line)) and match["indent"]]
    return min(indents, key=len, default=_DEFAULT_INDENT)


def indent_line(line: str, step: str) -> str:
    """`line` indented by one step; an empty line stays as it is."""
    return step + line if line.strip() else line


def dedent_line(line: str, step: str) -> str:
    """`line` dedented by one step, or by as much as it is indented."""
    if line.startswith(step):
        return line[len(step) :]
    if line.startswith("\t"):
        return line[1:]
    return line[min(len(step), len(line) - len(line.lstrip(" "))) :]
