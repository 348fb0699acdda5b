"""A report as one markdown page, which reads well where it is rendered and in an editor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from imgexp_tui.reports.markdown_escape import block as note
from imgexp_tui.reports.markdown_escape import inline
from imgexp_tui.reports.sections import (
    Block,
    Heading,
    Items,
    Link,
    Note,
    Paragraph,
    Plot,
    Rule,
    Strong,
    Table,
    ToDo,
    Words,
)

MARK = "<!-- made by imgexp-tui export -->"
"""The first line of an exported page, by which an export knows that it may replace a file."""


def markdown(blocks: Iterable[Block], *, plots: str | None = None) -> str:
    """The page.

    Args:
        plots: the folder of its pictures, beside it; without one there are none.
    """
    parts = [MARK, *(_block(block, plots) for block in blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block, plots: str | None) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {inline(block.text)}"
        case Rule():
            return "---"
        case Paragraph():
            return _words(block.words)
        case Note():
            return note(block.text)
        case Items():
            return "\n".join(f"- {inline(item)}" for item in block.items)
        case ToDo():
            return "\n".join(f"- [ ] {_words(words)}" for words in block.items)
        case Table():
            return _table(block)
        case Plot():
            return _picture(block, plots) if plots is not None else ""


def _words(words: Words) -> str:
    """Words as they stand; what blank they begin or end with is kept."""
    out = []
    for word in words:
        match word:
            case Link():
                out.append(f"[{inline(word.text)}](#{word.anchor})")
            case Strong():
                out.append(f"**{inline(word.text)}**" if word.text else "")
            case _:
                before, after = " " * word.startswith(" "), " " * (word.endswith(" ") and bool(word.strip()))
                out.append(before + inline(word) + after)
    return "".join(out)


def _table(table: Table) -> str:
    rule = ["---:" if i in table.figures else "---" for i in range(len(table.head))]
    rows: list[Sequence[str]] = [[inline(cell) for cell in table.head], rule]
    rows += [[_words(cell).strip() for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _picture(plot: Plot, folder: str) -> str:
    """The PNG, which every viewer shows; it leads to the SVG, which is sharp at any size."""
    png, svg = (quote(f"{folder}/{plot.figure.name}.{kind}", errors="surrogateescape") for kind in ("png", "svg"))
    return f"[![{inline(plot.figure.alt)}]({png})]({svg})"
