"""Writes a page of blocks as markdown that is readable both rendered and in an editor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from imgexp_tui.reports.blocks import (
    BulletList,
    Heading,
    InlineText,
    Link,
    NoteBlock,
    PageBlock,
    Paragraph,
    Plot,
    Separator,
    Strong,
    Table,
    TodoList,
)
from imgexp_tui.reports.markdown_escape import escape_block as note
from imgexp_tui.reports.markdown_escape import escape_inline

EXPORT_MARK = "<!-- made by imgexp-tui export -->"
"""The first line of an exported page; it marks a file that a later export may replace."""


def render_markdown(blocks: Iterable[PageBlock], *, plots_folder: str | None = None) -> str:
    """Returns the page.

    Args:
        plots_folder: the name of the folder next to the page that holds its plots; None leaves the plots out.
    """
    parts = [EXPORT_MARK, *(_render_block(block, plots_folder) for block in blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _render_block(block: PageBlock, plots_folder: str | None) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {escape_inline(block.text)}"
        case Separator():
            return "---"
        case Paragraph():
            return _render_words(block.words)
        case NoteBlock():
            return note(block.text)
        case BulletList():
            return "\n".join(f"- {escape_inline(item)}" for item in block.items)
        case TodoList():
            return "\n".join(f"- [ ] {_render_words(words)}" for words in block.items)
        case Table():
            return _render_table(block)
        case Plot():
            return _render_plot(block, plots_folder) if plots_folder is not None else ""


def _render_words(words: InlineText) -> str:
    """Returns the words as inline markdown; a blank at the start or end of a plain text is kept."""
    out = []
    for word in words:
        match word:
            case Link():
                out.append(f"[{escape_inline(word.text)}](#{word.anchor})")
            case Strong():
                out.append(f"**{escape_inline(word.text)}**" if word.text else "")
            case _:
                before, after = " " * word.startswith(" "), " " * (word.endswith(" ") and bool(word.strip()))
                out.append(before + escape_inline(word) + after)
    return "".join(out)


def _render_table(table: Table) -> str:
    rule = ["---:" if i in table.numeric_columns else "---" for i in range(len(table.head))]
    rows: list[Sequence[str]] = [[escape_inline(cell) for cell in table.head], rule]
    rows += [[_render_words(cell).strip() for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _render_plot(plot: Plot, folder: str) -> str:
    """Returns the PNG, which every viewer shows, as a link to the SVG, which is sharp at any size."""
    png, svg = (quote(f"{folder}/{plot.figure.name}.{kind}", errors="surrogateescape") for kind in ("png", "svg"))
    return f"[![{escape_inline(plot.figure.alt_text)}]({png})]({svg})"
