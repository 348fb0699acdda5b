"""Draws the list of ideas: filters and groups them by version, and lays each one out as lines with a checkbox."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgexp_tui.notebook.ideas.model import Idea, ideas_of
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import cell_width, clean_line, first_line
from imgexp_tui.views.item_layout import ItemLayout
from imgexp_tui.views.styled import Line, line, truncate_line
from imgexp_tui.views.wrap import wrap

_INDENT = 2
_CACHE_SIZE = 8192
"""Number of cached wrapped texts: the list is layout out again at every letter of a filter."""


@dataclass(frozen=True, slots=True)
class IdeaGroup:
    """The ideas of one version, with its name and the first line of its summary; without a name, no heading."""

    ideas: tuple[Idea, ...]
    name: str = ""
    summary: str = ""


def group_ideas(
    notebook: Notebook,
    *,
    include_done: bool = False,
    always_visible: Collection[tuple[str, str, str]] = (),
    query: str = "",
) -> list[IdeaGroup]:
    """The ideas to show by version, the newest version first.

    Args:
        include_done: include ideas that are done.
        always_visible: keys of ideas to include although they are done.
        query: words that must all occur in the idea, its version's name or the version that tried it, in any case.
    """
    words = query.casefold().split()
    groups = []
    for version in reversed(notebook.versions.values()):
        ideas = tuple(
            idea
            for idea in ideas_of(version)
            if (include_done or not idea.done or idea.key in always_visible) and _matches(idea, words)
        )
        if ideas:
            groups.append(IdeaGroup(ideas, clean_line(version.name), first_line(version.summary)))
    return groups


def _matches(idea: Idea, words: Iterable[str]) -> bool:
    text = f"{idea.version} {idea.text} {idea.tried_in}".casefold()
    return all(word in text for word in words)


def layout_groups(groups: Sequence[IdeaGroup], room: int) -> ItemLayout:
    """The groups as lines of `room` cells; the first cell of each line is free for the cursor."""
    layout = ItemLayout()
    for group in groups:
        top = len(layout.lines)
        if group.name:
            layout.lines.append(truncate_line(line(" ", (group.name, "title"), ("  " + group.summary, "quiet")), room))
        for idea in group.ideas:
            start = len(layout.lines)
            layout.lines.extend(_idea_lines(_idea_text(idea), " " * _INDENT, idea.done, room))
            layout.item_spans.append((top, start, len(layout.lines)))
            top = len(layout.lines)
        if group.name and group is not groups[-1]:
            layout.lines.append(())
    return layout


def layout_choices(ideas: Sequence[Idea], selected: Collection[tuple[str, str, str]], room: int) -> ItemLayout:
    """Ideas to select from, each after the name of its version, as lines of `room` cells."""
    layout = ItemLayout()
    for idea in ideas:
        start = len(layout.lines)
        text = f"{clean_line(idea.version)}: {_idea_text(idea)}"
        layout.lines.extend(_idea_lines(text, " ", idea.key in selected, room, dim_ticked=False))
        layout.item_spans.append((start, start, len(layout.lines)))
    return layout


def _idea_text(idea: Idea) -> str:
    tried = f" (tried in {clean_line(idea.tried_in)})" if idea.tried_in else ""
    return clean_line(idea.text) + tried


def _idea_lines(text: str, indent: str, is_ticked: bool, room: int, *, dim_ticked: bool = True) -> list[Line]:
    box = f"{indent}[{'x' if is_ticked else ' '}] "
    role = "quiet" if is_ticked and dim_ticked else ""
    pieces = _wrapped(text, room - cell_width(box))
    return [line(box if i == 0 else " " * cell_width(box), (piece, role)) for i, piece in enumerate(pieces)]


@lru_cache(maxsize=_CACHE_SIZE)
def _wrapped(text: str, room: int) -> tuple[str, ...]:
    return tuple(wrap(text, room)) or ("",)
