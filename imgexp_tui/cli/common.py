"""Helpers that several commands share: find the lab, load its notebook and runs, format a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook, NotebookError, Version
from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.paths import NOTEBOOK, find_lab
from imgexp_tui.services.notebook_reader import load_checked
from imgexp_tui.text import cell_width, clean_line, truncate

if TYPE_CHECKING:
    from argparse import Namespace

    from imgexp_tui.records.metrics.follower import RunFollower
    from imgexp_tui.records.rundir import RunDir


def lab_from(arguments: Namespace) -> Path:
    """Returns the folder of the lab that the command line names.

    Raises:
        CommandError: see `require_lab`.
    """
    return require_lab(arguments.lab)


def require_lab(folder: Path) -> Path:
    """Returns the lab's folder: `folder` or the nearest one above it with a notebook.

    Raises:
        CommandError: the folder does not exist, or neither it nor one above it has an `experiments.toml`.
    """
    path = folder.expanduser()
    if not path.is_dir():
        from imgexp_tui.cli.parser import COMMANDS

        near = closest_name(str(path), COMMANDS)
        hint = f"did you mean {near}?" if near else f"give the folder that holds {NOTEBOOK}, or see: imgexp-tui --help"
        raise CommandError(f"{path} is neither a command nor a folder; {hint}", 2)
    lab = find_lab(path)
    if not (lab / NOTEBOOK).is_file():
        raise CommandError(
            f"no {NOTEBOOK} in {path.absolute()} or above it; go to your lab, name it with -C DIR, "
            "or start one with: imgexp-tui init"
        )
    return lab


def notebook_from_arguments(arguments: Namespace) -> Notebook:
    """Returns the lab's notebook, broken versions included.

    Raises:
        CommandError: there is no lab, or its notebook cannot be read.
    """
    try:
        return load_checked(lab_from(arguments))
    except NotebookError as error:
        raise CommandError(str(error)) from None


def find_version(notebook: Notebook, name: str) -> Version:
    """Returns the version called `name`.

    Raises:
        CommandError: there is none; the message suggests the nearest name.
    """
    if name in notebook.versions:
        return notebook.versions[name]
    near = closest_name(name, notebook.versions)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(notebook.versions) or 'none yet'}"
    raise CommandError(f"{notebook.path.name} has no version {name}; {hint}")


def read_runs(lab: Path, version: str | None = None) -> list[RunFollower]:
    """Returns the runs of a lab or of one version, newest first, with all records up to now."""
    from imgexp_tui.records.metrics.follower import RunFollower
    from imgexp_tui.records.rundir import find_runs
    from imgexp_tui.runner.launchers.poller import ANSWER_TIMEOUT, JobPoller

    runs = find_runs(lab, version)
    JobPoller().poll(runs, ANSWER_TIMEOUT)
    views = [RunFollower(run) for run in runs]
    for view in views:
        view.poll()
    return views


def find_run_dir(lab: Path, name: str, *, live_first: bool = True) -> RunDir:
    """Returns the run that `name` means: a run id, the start of one, or a version.

    Args:
        live_first: of a version, prefers the run in progress to the newest one.

    Raises:
        CommandError: no run, or more than one, is meant.
    """
    from imgexp_tui.runner.control import ControlError
    from imgexp_tui.runner.find_run import find_run

    try:
        return find_run(lab, name, live_first=live_first)
    except ControlError as error:
        raise CommandError(str(error)) from None


def read_runs_by_version(notebook: Notebook) -> dict[str, list[RunFollower]]:
    """Returns version → its runs, newest first, for the versions of the notebook."""
    by_version: dict[str, list[RunFollower]] = {name: [] for name in notebook.versions}
    for view in read_runs(notebook.lab):
        if view.version in by_version:
            by_version[view.version].append(view)
    return by_version


def format_table(rows: list[list[str]], *, last_width: int = 60) -> str:
    """Returns rows as lines with aligned columns and cleaned cells; the last column is cut at `last_width` cells."""
    cells = [[clean_line(c) for c in row] for row in rows]
    for row in cells:
        row[-1] = truncate(row[-1], last_width)
    widths = [max(cell_width(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(c + " " * (w - cell_width(c)) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )
