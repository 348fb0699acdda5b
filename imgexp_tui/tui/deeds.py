"""What the main screen's keys do to runs and files. Plain functions that block; the screen calls them in threads.

Each returns a sentence for the user, or raises `DeedError` with one.
"""

from __future__ import annotations

from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.notebook.model import Notebook

EXPORT = "notebook.md"


class DeedError(Exception):
    """One sentence: what was not done, and why."""


def start(notebook: Notebook, version: str) -> str:
    """Start a run of a version."""
    from imgexp_tui.runner.launch import LaunchError, launch

    try:
        launch(notebook, version)
    except LaunchError as error:
        raise DeedError(str(error)) from None
    return f"{version} is under way; it goes on when you leave."


def stop(lab: Path, version: str, run: str) -> str:
    """Ask a run to stop."""
    from imgexp_tui.runner import control

    try:
        control.stop(_run_dir(lab, version, run))
    except control.ControlError as error:
        raise DeedError(str(error)) from None
    return f"{version} was asked to stop; it saves a checkpoint first."


def resume(lab: Path, version: str, run: str) -> str:
    """Start a run that has ended once more."""
    from imgexp_tui.runner import control

    try:
        control.resume(_run_dir(lab, version, run))
    except control.ControlError as error:
        raise DeedError(str(error)) from None
    return f"{version} goes on from its last checkpoint."


def would_replace(lab: Path) -> bool:
    """Whether an export would take the place of a file that no export made."""
    from imgexp_tui.reports.markdown import MARK

    try:
        with (lab / EXPORT).open(encoding="utf-8", errors="replace") as file:
            return MARK not in file.read(400)
    except OSError:
        return False


def export(notebook: Notebook) -> str:
    """Write the notebook as markdown beside it."""
    from imgexp_tui.records.follow import RunView
    from imgexp_tui.records.rundir import find_runs
    from imgexp_tui.reports.markdown import notebook_markdown

    views: dict[str, list[RunView]] = {}
    for run in find_runs(notebook.lab):
        view = RunView(run)
        view.poll()
        views.setdefault(run.version, []).append(view)
    path = notebook.lab / EXPORT
    try:
        durable.replace(path, notebook_markdown(notebook, views).encode(), mode=0o644)
    except OSError as error:
        raise DeedError(f"Not exported: {error.strerror or error} ({path}).") from None
    return f"Written: {path}"


def _run_dir(lab: Path, version: str, run: str):  # type: ignore[no-untyped-def]  # imported late
    from imgexp_tui.paths import RUNS
    from imgexp_tui.records.rundir import RunDir

    return RunDir(lab / RUNS / version / run)
