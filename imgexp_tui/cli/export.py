"""`export`: the notebook and its runs as a page, as plain notes, or as data."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui import durable
from imgexp_tui.cli.common import notebook_of, version_of, views_by_version
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.schema.settings import nearest
from imgexp_tui.text import listed

if TYPE_CHECKING:
    from imgexp_tui.reports.plot_data import Figure

_BY_SUFFIX = {".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}
_PAGES = ("markdown", "html")


def export(arguments: Namespace) -> int:
    """Write the notebook out in one of five formats."""
    notebook = notebook_of(arguments)
    names = _versions(notebook, [*arguments.names, *(n for text in arguments.versions for n in text.split(","))])
    target = _target(arguments.output)
    format_ = arguments.format or (_BY_SUFFIX.get(target.suffix.lower()) if target else None) or "markdown"
    parts = _parts(arguments.parts, format_)
    if format_ in _PAGES:
        return _page(notebook, names, parts, format_, target)
    return _write(_data(replace(notebook, versions={n: notebook.versions[n] for n in names}), format_), target)


def _page(notebook: Notebook, names: Sequence[str], parts: Sequence[str], format_: str, target: Path | None) -> int:
    from imgexp_tui.reports.sections import figures, page

    blocks = page(notebook, views_by_version(notebook), versions=names, parts=parts)
    if format_ == "html":
        from imgexp_tui.reports.html import html

        return _write(html(blocks), target)
    from imgexp_tui.reports.markdown import markdown
    from imgexp_tui.reports.plot_files import ExportError, folder_of, put

    drawn = figures(blocks)
    if target is None or (target.exists() and not target.is_file()):  # a pipe, say
        if drawn:
            print("without plots, which need a place: name a file with -o", file=sys.stderr)
        return _write(markdown(blocks), target)
    folder = folder_of(target)
    try:
        put(folder, _pictures(drawn), lambda: _put(markdown(blocks, plots=folder.name), target))
    except ExportError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"cannot write {error.filename or target}: {error.strerror or error}") from None
    told = f"{target} and {folder} written" if drawn else f"{target} written"
    print(told, file=sys.stderr)
    return 0


def _pictures(drawn: Sequence[Figure]) -> dict[str, bytes]:
    """File name → bytes. The plotting library is not imported where there is nothing to draw."""
    files: dict[str, bytes] = {}
    if drawn:
        from imgexp_tui.reports.plot_render import draw

        for figure in drawn:
            drawing = draw(figure)
            files |= {f"{figure.name}.png": drawing.png, f"{figure.name}.svg": drawing.svg}
    return files


def _data(notebook: Notebook, format_: str) -> str:
    if format_ == "plain":
        from imgexp_tui.notebook.plain.writer import format_plain

        return format_plain(notebook)
    from imgexp_tui.reports import tabular

    views = views_by_version(notebook)
    return tabular.csv_text(notebook, views) if format_ == "csv" else tabular.json_text(notebook, views)


def _versions(notebook: Notebook, wanted: Sequence[str]) -> list[str]:
    """The versions that are meant, in the notebook's order; all where none is named."""
    named = {version_of(notebook, name.strip()).name for name in wanted if name.strip()}
    return [name for name in notebook.versions if not named or name in named]


def _parts(text: str | None, format_: str) -> Sequence[str]:
    from imgexp_tui.reports.sections import PARTS

    if text is None:
        return PARTS
    if format_ not in _PAGES:
        raise CommandError(f"--parts chooses what a markdown or HTML page holds; {format_} has no parts", 2)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    for part in wanted:
        if part not in PARTS:
            near = nearest(part, PARTS)
            hint = f"did you mean {near}?" if near else f"there are {listed(list(PARTS))}"
            raise CommandError(f"a page has no part {part}; {hint}", 2)
    if not wanted:
        raise CommandError(f"--parts names none; there are {listed(list(PARTS))}", 2)
    return wanted


def _target(output: Path | None) -> Path | None:
    """The file to write; None for standard output. A symbolic link leads to its file, which is what is replaced."""
    if output is None or str(output) == "-":
        return None
    path = output.expanduser()
    return path.resolve() if path.is_symlink() else path


def _write(text: str, target: Path | None) -> int:
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())  # as a file would hold it, whatever the terminal's encoding
        sys.stdout.buffer.flush()
        return 0
    try:
        _put(text, target)
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror or error}") from None
    print(f"{target} written", file=sys.stderr)
    return 0


def _put(text: str, target: Path) -> None:
    """A file is replaced whole; what is no file, such as a pipe or /dev/null, is written to."""
    if target.exists() and not target.is_file():
        target.write_bytes(text.encode())
    else:
        durable.replace(target, text.encode(), mode=0o644)
