"""Ideas as lines: which of them are shown, in what order, and where each one's lines stand.

An idea may take several lines, so that beside the lines goes where each begins and ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgexp_tui.notebook.ideas.model import Idea, ideas_of
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import clean_line, first_line, width
from imgexp_tui.views.item_layout import Laid
from imgexp_tui.views.styled import Line, cut, line
from imgexp_tui.views.wrap import wrap

_INDENT = 2
_KEPT = 8192
"""Wrapped texts that are kept: a list is laid out again at every letter of a filter."""


@dataclass(frozen=True, slots=True)
class Group:
    """The ideas of one version under its name and the first line of its summary; without a name, just ideas."""

    ideas: tuple[Idea, ...]
    name: str = ""
    about: str = ""


def groups(
    notebook: Notebook, *, done: bool = False, kept: Collection[tuple[str, str, str]] = (), words: str = ""
) -> list[Group]:
    """The ideas to show, those of the newest version first.

    Args:
        done: show the done ones too.
        kept: keys of ideas that are shown though they are done.
        words: every one of them must stand in the idea or in its version's name.
    """
    wanted = words.casefold().split()
    found = []
    for version in reversed(notebook.versions.values()):
        ideas = tuple(
            idea for idea in ideas_of(version) if (done or not idea.done or idea.key in kept) and _holds(idea, wanted)
        )
        if ideas:
            found.append(Group(ideas, clean_line(version.name), first_line(version.summary)))
    return found


def _holds(idea: Idea, words: Iterable[str]) -> bool:
    text = f"{idea.version} {idea.text} {idea.tried_in}".casefold()
    return all(word in text for word in words)


def laid_out(found: Sequence[Group], room: int) -> Laid:
    """The groups as lines of `room` cells; the first cell of each is left to the cursor."""
    laid = Laid()
    for group in found:
        top = len(laid.lines)
        if group.name:
            laid.lines.append(cut(line(" ", (group.name, "title"), ("  " + group.about, "quiet")), room))
        for idea in group.ideas:
            start = len(laid.lines)
            laid.lines.extend(_idea(_text(idea), " " * _INDENT, idea.done, room))
            laid.spans.append((top, start, len(laid.lines)))
            top = len(laid.lines)
        if group.name and group is not found[-1]:
            laid.lines.append(())
    return laid


def offer(ideas: Sequence[Idea], picked: Collection[tuple[str, str, str]], room: int) -> Laid:
    """Ideas to pick from, each behind the name of its version, as lines of `room` cells."""
    laid = Laid()
    for idea in ideas:
        start = len(laid.lines)
        text = f"{clean_line(idea.version)}: {_text(idea)}"
        laid.lines.extend(_idea(text, " ", idea.key in picked, room, quiet=False))
        laid.spans.append((start, start, len(laid.lines)))
    return laid


def _text(idea: Idea) -> str:
    tried = f" (tried in {clean_line(idea.tried_in)})" if idea.tried_in else ""
    return clean_line(idea.text) + tried


def _idea(text: str, indent: str, ticked: bool, room: int, *, quiet: bool = True) -> list[Line]:
    box = f"{indent}[{'x' if ticked else ' '}] "
    role = "quiet" if ticked and quiet else ""
    pieces = _wrapped(text, room - width(box))
    return [line(box if i == 0 else " " * width(box), (piece, role)) for i, piece in enumerate(pieces)]


@lru_cache(maxsize=_KEPT)
def _wrapped(text: str, room: int) -> tuple[str, ...]:
    return tuple(wrap(text, room)) or ("",)
