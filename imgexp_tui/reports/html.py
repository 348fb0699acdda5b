"""A report as one self-contained HTML page: drawings and style inside, nothing loaded, nothing that runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from imgexp_tui.reports.note_outline import NoteLine, note_lines
from imgexp_tui.reports.plot_data import Figure
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
from imgexp_tui.text import clean_line

_STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --quiet: #59636e; --line: #d1d9e0; --page: #ffffff; --link: #0969da }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --quiet: #9198a1; --line: #3d444d; --page: #0d1117; --link: #6cb0ff }
}
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
_HEAD = """\
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


def html(blocks: Iterable[Block]) -> str:
    """The page."""
    blocks = list(blocks)
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(_block(block) for block in blocks)
    return f"{_HEAD.format(title=_text(title), style=_STYLE)}{body}\n</body>\n</html>\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            anchor = f' id="{_text(block.anchor)}"' if block.anchor else ""
            return f"<h{block.level}{anchor}>{_text(block.text)}</h{block.level}>"
        case Rule():
            return "<hr>"
        case Paragraph():
            return f"<p>{_words(block.words)}</p>"
        case Note():
            return "".join(_note(note_lines(block.text)))
        case Items():
            return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in block.items) + "</ul>"
        case ToDo():
            items = (f'<li><input type="checkbox" disabled> {_words(words)}</li>' for words in block.items)
            return "<ul>" + "".join(items) + "</ul>"
        case Table():
            return _table(block)
        case Plot():
            return f"<figure>{_drawing(block.figure)}</figure>"


def _text(text: str) -> str:
    return escape(clean_line(text))


def _words(words: Words) -> str:
    out = []
    for word in words:
        match word:
            case Link():
                out.append(f'<a href="#{_text(word.anchor)}">{_text(word.text)}</a>')
            case Strong():
                out.append(f"<strong>{_text(word.text)}</strong>" if word.text else "")
            case _:
                out.append(f"{' ' * word.startswith(' ')}{_text(word)}{' ' * word.endswith(' ')}")
    return "".join(out)


def _table(table: Table) -> str:
    def row(tag: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(
            f"<{tag}{' class=number' if i in table.figures else ''}>{cell}</{tag}>" for i, cell in enumerate(cells)
        ) + "</tr>\n"  # fmt: skip

    head = row("th", map(_text, table.head))
    body = "".join(row("td", map(_words, cells)) for cells in table.rows)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table></div>'


def _note(lines: Iterable[NoteLine]) -> Iterator[str]:
    """Lists and paragraphs; a line that goes on with the one above stands below it."""
    depth, inside, gap = 0, False, False
    for line in lines:
        if line.blank:
            gap = True
            continue
        if inside and not depth and (line.bullet or gap or line.depth):
            yield "</p>"
            inside = False
        while depth > line.depth:
            yield "</li></ul>"
            depth -= 1
        if line.bullet:
            yield "<ul>" * (line.depth - depth) or "</li>"
            box = line.checkbox
            ticked = f'<input type="checkbox" disabled{" checked" * box[0]}> ' if box else ""
            yield f"<li>{ticked}{_text(box[1] if box else line.text)}"
        elif line.depth:
            yield f"{'<br>' * (1 + gap)}{_text(line.text)}"
        else:
            yield f"{'<br>' if inside else '<p>'}{_text(line.text)}"
            inside = True
        depth, gap = line.depth, False
    yield "</li></ul>" * depth + ("</p>" if inside and not depth else "")


def _drawing(figure: Figure) -> str:
    """The SVG as a part of the page: its text in the page's colour, its names its own."""
    from imgexp_tui.reports.plot_render import INK, draw

    svg = draw(figure).svg.decode()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', lambda m: f"{m[0]}{figure.name}-", svg)
    svg = svg.replace(INK, "currentColor").strip()
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_text(figure.alt)}" ', 1)
