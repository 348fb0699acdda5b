"""What several commands need: the lab that is meant, its notebook, its runs, and plain tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.load import load
from imgexp_tui.notebook.model import Notebook, NotebookError, Version
from imgexp_tui.notebook.schema.settings import nearest
from imgexp_tui.paths import NOTEBOOK, find_lab
from imgexp_tui.text import clean_line, fit, width

if TYPE_CHECKING:
    from argparse import Namespace

    from imgexp_tui.records.metrics.follower import RunView


def lab_of(arguments: Namespace) -> Path:
    """The lab that the command line names."""
    return lab_in(arguments.lab)


def lab_in(folder: Path) -> Path:
    """The lab's folder: `folder` or the nearest one above it.

    Raises:
        CommandError: there is no such folder, or no `experiments.toml` in or above it.
    """
    given = folder.expanduser()
    if not given.is_dir():
        from imgexp_tui.cli.parser import COMMANDS

        near = nearest(str(given), COMMANDS)
        hint = f"did you mean {near}?" if near else f"give the folder that holds {NOTEBOOK}, or see: imgexp-tui --help"
        raise CommandError(f"{given} is neither a command nor a folder; {hint}", 2)
    lab = find_lab(given)
    if not (lab / NOTEBOOK).is_file():
        raise CommandError(
            f"no {NOTEBOOK} in {given.absolute()} or above it; go to your lab, name it with -C DIR, "
            "or start one with: imgexp-tui init"
        )
    return lab


def notebook_of(arguments: Namespace) -> Notebook:
    """The lab's notebook, broken versions included."""
    try:
        return load(lab_of(arguments))
    except NotebookError as error:
        raise CommandError(str(error)) from None


def version_of(notebook: Notebook, name: str) -> Version:
    """The version called `name`."""
    if name in notebook.versions:
        return notebook.versions[name]
    near = nearest(name, notebook.versions)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(notebook.versions) or 'none yet'}"
    raise CommandError(f"{notebook.path.name} has no version {name}; {hint}")


def views_of(lab: Path, version: str | None = None) -> list[RunView]:
    """The runs of a lab or of one version, read to their present end, newest first."""
    from imgexp_tui.records.metrics.follower import RunView
    from imgexp_tui.records.rundir import find_runs
    from imgexp_tui.runner.launchers.slurm.poll import SHORT, SlurmWatch

    runs = find_runs(lab, version)
    SlurmWatch().look(runs, SHORT)
    views = [RunView(run) for run in runs]
    for view in views:
        view.poll()
    return views


def views_by_version(notebook: Notebook) -> dict[str, list[RunView]]:
    """Each version's runs, newest first; of what the notebook does not name, nothing."""
    found: dict[str, list[RunView]] = {name: [] for name in notebook.versions}
    for view in views_of(notebook.lab):
        if view.version in found:
            found[view.version].append(view)
    return found


def table(rows: list[list[str]], *, last: int = 60) -> str:
    """Rows as columns of equal width, each cell cleaned; the last column is cut at `last` cells."""
    cells = [[clean_line(c) for c in row] for row in rows]
    for row in cells:
        row[-1] = fit(row[-1], last)
    widths = [max(width(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(c + " " * (w - width(c)) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )
