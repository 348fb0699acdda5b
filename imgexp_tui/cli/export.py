"""Command `export`: writes the notebook and its runs as a page, as plain notes, or as data.

The parts of a page are listed in `imgexp_tui/reports/parts.py`.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui import durable
from imgexp_tui.cli.common import find_version, notebook_from_arguments, read_runs_by_version
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.reports.parts import PARTS
from imgexp_tui.text import join_names

if TYPE_CHECKING:
    from imgexp_tui.reports.plot_data import Figure

_FORMAT_BY_SUFFIX = {".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}
_PAGE_FORMATS = ("markdown", "html")


def export(arguments: Namespace) -> int:
    """Writes the notebook in one of five formats."""
    notebook = notebook_from_arguments(arguments)
    names = _selected_versions(
        notebook, [*arguments.names, *(n for text in arguments.versions for n in text.split(","))]
    )
    target = _output_file(arguments.output)
    format_ = arguments.format or (_FORMAT_BY_SUFFIX.get(target.suffix.lower()) if target else None) or "markdown"
    parts = _selected_parts(arguments.parts, format_)
    if format_ in _PAGE_FORMATS:
        return _write_page(notebook, names, parts, format_, target)
    return _write_output(
        _format_data(replace(notebook, versions={n: notebook.versions[n] for n in names}), format_), target
    )


def _write_page(
    notebook: Notebook, names: Sequence[str], parts: Sequence[str], format_: str, target: Path | None
) -> int:
    from imgexp_tui.reports.blocks import page_figures
    from imgexp_tui.reports.page import page_blocks

    blocks = page_blocks(notebook, read_runs_by_version(notebook), versions=names, parts=parts)
    if format_ == "html":
        from imgexp_tui.reports.html import render_html

        return _write_output(render_html(blocks), target)
    from imgexp_tui.reports.markdown import render_markdown
    from imgexp_tui.reports.plot_files import ExportError, plots_folder_of, write_export

    figures = page_figures(blocks)
    if target is None or (target.exists() and not target.is_file()):  # a pipe, say
        if figures:
            print("without plots, which need a place: name a file with -o", file=sys.stderr)
        return _write_output(render_markdown(blocks), target)
    folder = plots_folder_of(target)
    try:
        write_export(
            folder,
            _render_plots(figures),
            lambda: _write_file(render_markdown(blocks, plots_folder=folder.name), target),
        )
    except ExportError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"cannot write {error.filename or target}: {error.strerror or error}") from None
    print(f"{target} and {folder} written" if figures else f"{target} written", file=sys.stderr)
    return 0


def _render_plots(figures: Sequence[Figure]) -> dict[str, bytes]:
    """Returns file name → content of the figures. matplotlib is imported only if there are any."""
    files: dict[str, bytes] = {}
    if figures:
        from imgexp_tui.reports.plot_render import draw

        for figure in figures:
            drawing = draw(figure)
            files |= {f"{figure.name}.png": drawing.png, f"{figure.name}.svg": drawing.svg}
    return files


def _format_data(notebook: Notebook, format_: str) -> str:
    if format_ == "plain":
        from imgexp_tui.notebook.plain.writer import format_plain

        return format_plain(notebook)
    from imgexp_tui.reports import tabular

    views = read_runs_by_version(notebook)
    return tabular.csv_text(notebook, views) if format_ == "csv" else tabular.json_text(notebook, views)


def _selected_versions(notebook: Notebook, selected: Sequence[str]) -> list[str]:
    """Returns the names of the wanted versions in the notebook's order; of all versions where none is named."""
    named = {find_version(notebook, name.strip()).name for name in selected if name.strip()}
    return [name for name in notebook.versions if not named or name in named]


def _selected_parts(text: str | None, format_: str) -> Sequence[str]:
    """Returns the parts that `--parts` names; all where it is not given."""
    if text is None:
        return tuple(PARTS)
    if format_ not in _PAGE_FORMATS:
        raise CommandError(f"--parts chooses what a markdown or HTML page holds; {format_} has no parts", 2)
    selected = [part.strip() for part in text.split(",") if part.strip()]
    for part in selected:
        if part not in PARTS:
            near = closest_name(part, PARTS)
            hint = f"did you mean {near}?" if near else f"there are {join_names(list(PARTS))}"
            raise CommandError(f"a page has no part {part}; {hint}", 2)
    if not selected:
        raise CommandError(f"--parts names none; there are {join_names(list(PARTS))}", 2)
    return selected


def _output_file(output: Path | None) -> Path | None:
    """Returns the file to write, None for standard output; for a symbolic link its target."""
    if output is None or str(output) == "-":
        return None
    path = output.expanduser()
    return path.resolve() if path.is_symlink() else path


def _write_output(text: str, target: Path | None) -> int:
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())  # UTF-8 as in a file, in any locale
        sys.stdout.buffer.flush()
        return 0
    try:
        _write_file(text, target)
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror or error}") from None
    print(f"{target} written", file=sys.stderr)
    return 0


def _write_file(text: str, target: Path) -> None:
    """Replaces a file atomically; writes into anything else, such as a pipe or /dev/null."""
    if target.exists() and not target.is_file():
        target.write_bytes(text.encode())
    else:
        durable.replace(target, text.encode(), mode=0o644)
