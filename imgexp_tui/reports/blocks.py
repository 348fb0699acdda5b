"""Defines the blocks that a page is made of: heading, paragraph, note, list, table, plot.

They hold content and no markup; `markdown.py` and `html.py` write each of them in their own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imgexp_tui.reports.plot_data import Figure


@dataclass(frozen=True, slots=True)
class Link:
    """Words that link to a version on the page."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words in bold."""

    text: str


InlineText = Sequence[str | Link | Strong]


@dataclass(frozen=True, slots=True)
class Heading:
    """The page's title, of level 1 and without an anchor, or a version's heading, of level 2."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Separator:
    """A rule between two groups of versions."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line of text."""

    words: InlineText


@dataclass(frozen=True, slots=True)
class NoteBlock:
    """A note as the user wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class BulletList:
    """A bullet list of plain texts."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class TodoList:
    """A list of open tasks, each with an empty check box."""

    items: Sequence[InlineText]


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        head: the column titles.
        rows: the cells of each row, as many as `head` has.
        numeric_columns: indices of the columns that hold numbers, which are aligned to the right.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[InlineText]]
    numeric_columns: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of curves."""

    figure: Figure


PageBlock = Heading | Separator | Paragraph | NoteBlock | BulletList | TodoList | Table | Plot


def page_figures(blocks: Iterable[PageBlock]) -> list[Figure]:
    """Returns the figures of a page, in its order."""
    return [block.figure for block in blocks if isinstance(block, Plot)]
