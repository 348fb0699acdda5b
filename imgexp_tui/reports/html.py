"""Writes a page of blocks as one HTML file that contains its plots and style, loads nothing and runs no script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from imgexp_tui.palette import DARK_PAGE, LIGHT_PAGE, PLOT_FOREGROUND, PageColours
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
from imgexp_tui.reports.note_outline import NoteLine, parse_note_lines
from imgexp_tui.reports.plot_data import Figure
from imgexp_tui.text import clean_line


def _css_variables(colours: PageColours) -> str:
    return "; ".join(f"--{name}: {colour}" for name, colour in colours._asdict().items())


_STYLE = (
    f"""\
:root {{ color-scheme: light dark; {_css_variables(LIGHT_PAGE)} }}
@media (prefers-color-scheme: dark) {{
  :root {{ {_css_variables(DARK_PAGE)} }}
}}
"""
    + """\
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif }
h1, h2 { line-height: 1.25; border-bottom: 1px solid var(--line); padding-bottom: .3em }
h2 { margin-top: 2.5em }
a { color: var(--link) }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875em; font-variant-numeric: tabular-nums }
th, td { border: 1px solid var(--line); padding: .3em .7em; text-align: left; vertical-align: top }
.number { text-align: right; white-space: nowrap }
li { overflow-wrap: anywhere }
figure { margin: 1.5em 0; color: var(--quiet) }
figure svg { width: 100%; height: auto }
hr { border: 0; border-top: 4px double var(--line); margin: 3em 0 1em }
"""
)
_PAGE_HEAD = """\
<!doctype html>
<!-- made by imgexp-tui export -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
"""


def render_html(blocks: Iterable[PageBlock]) -> str:
    """Returns the page."""
    blocks = list(blocks)
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(_render_block(block) for block in blocks)
    return f"{_PAGE_HEAD.format(title=_escape_text(title), style=_STYLE)}{body}\n</body>\n</html>\n"


def _render_block(block: PageBlock) -> str:
    match block:
        case Heading():
            anchor = f' id="{_escape_text(block.anchor)}"' if block.anchor else ""
            return f"<h{block.level}{anchor}>{_escape_text(block.text)}</h{block.level}>"
        case Separator():
            return "<hr>"
        case Paragraph():
            return f"<p>{_render_words(block.words)}</p>"
        case NoteBlock():
            return "".join(_render_note(parse_note_lines(block.text)))
        case BulletList():
            return "<ul>" + "".join(f"<li>{_escape_text(item)}</li>" for item in block.items) + "</ul>"
        case TodoList():
            items = (f'<li><input type="checkbox" disabled> {_render_words(words)}</li>' for words in block.items)
            return "<ul>" + "".join(items) + "</ul>"
        case Table():
            return _render_table(block)
        case Plot():
            return f"<figure>{_render_figure(block.figure)}</figure>"


def _escape_text(text: str) -> str:
    return escape(clean_line(text))


def _render_words(words: InlineText) -> str:
    out = []
    for word in words:
        match word:
            case Link():
                out.append(f'<a href="#{_escape_text(word.anchor)}">{_escape_text(word.text)}</a>')
            case Strong():
                out.append(f"<strong>{_escape_text(word.text)}</strong>" if word.text else "")
            case _:
                out.append(f"{' ' * word.startswith(' ')}{_escape_text(word)}{' ' * word.endswith(' ')}")
    return "".join(out)


def _render_table(table: Table) -> str:
    def row(tag: str, cells: Iterable[str]) -> str:
        numeric = table.numeric_columns
        cells_html = (f"<{tag}{' class=number' if i in numeric else ''}>{cell}</{tag}>" for i, cell in enumerate(cells))
        return f"<tr>{''.join(cells_html)}</tr>\n"

    head = row("th", map(_escape_text, table.head))
    body = "".join(row("td", map(_render_words, cells)) for cells in table.rows)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table></div>'


def _render_note(lines: Iterable[NoteLine]) -> Iterator[str]:
    """Yields a note as lists and paragraphs; a continuation line follows the line above after a line break."""
    depth, inside, gap = 0, False, False
    for line in lines:
        if line.is_blank:
            gap = True
            continue
        if inside and not depth and (line.is_bullet or gap or line.depth):
            yield "</p>"
            inside = False
        while depth > line.depth:
            yield "</li></ul>"
            depth -= 1
        if line.is_bullet:
            yield "<ul>" * (line.depth - depth) or "</li>"
            box = line.checkbox
            ticked = f'<input type="checkbox" disabled{" checked" * box[0]}> ' if box else ""
            yield f"<li>{ticked}{_escape_text(box[1] if box else line.text)}"
        elif line.depth:
            yield f"{'<br>' * (1 + gap)}{_escape_text(line.text)}"
        else:
            yield f"{'<br>' if inside else '<p>'}{_escape_text(line.text)}"
            inside = True
        depth, gap = line.depth, False
    yield "</li></ul>" * depth + ("</p>" if inside and not depth else "")


def _render_figure(figure: Figure) -> str:
    """Returns the SVG for use inside the page: text in the page's colour, ids unique within the page."""
    from imgexp_tui.reports.plot_render import draw

    svg = draw(figure).svg.decode()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', lambda m: f"{m[0]}{figure.name}-", svg)
    svg = svg.replace(PLOT_FOREGROUND, "currentColor").strip()
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_escape_text(figure.alt_text)}" ', 1)
