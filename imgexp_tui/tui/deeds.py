"""What the main screen's keys do to runs and files. Plain functions that block; the screen calls them in threads.

Each returns a sentence for the user, or raises `DeedError` with one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui import durable
from imgexp_tui.notebook.model import Notebook

if TYPE_CHECKING:
    from imgexp_tui.records.rundir import RunDir

EXPORT = "notebook.md"


class DeedError(Exception):
    """One sentence: what was not done, and why."""


def start(notebook: Notebook, version: str) -> str:
    """Start a run of a version."""
    from imgexp_tui.runner.launch import LaunchError, launch

    try:
        run = launch(notebook, version)
    except LaunchError as error:
        raise DeedError(str(error)) from None
    return _under_way(run, f"{version} is under way; it goes on when you leave.")


def stop(lab: Path, version: str, run: str) -> str:
    """Ask a run to stop, or take it out of the queue."""
    return _stop(_run_dir(lab, version, run))


def stop_at(path: str) -> str:
    """The same for the run whose folder is `path`, maybe of another lab."""
    from imgexp_tui.records.rundir import RunDir

    return _stop(RunDir(Path(path)))


def move_in_queue(uuid: str, places: int) -> str:
    """Let a run that waits start earlier (less than 0) or later. Nothing is said: it shows."""
    from imgexp_tui.runner.queue import Queue, QueueError

    try:
        Queue().move(uuid, places)
    except QueueError as error:
        raise DeedError(str(error)) from None
    return ""


def resume(lab: Path, version: str, run: str) -> str:
    """Start a run that has ended once more."""
    from imgexp_tui.runner import control

    found = _run_dir(lab, version, run)
    try:
        control.resume(found)
    except control.ControlError as error:
        raise DeedError(str(error)) from None
    return _under_way(found, f"{version} goes on from its last checkpoint.")


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


def _stop(run: RunDir) -> str:
    from imgexp_tui.records.state import State, status
    from imgexp_tui.runner import control

    waited = status(run).state is State.QUEUED
    try:
        control.stop(run)
    except control.ControlError as error:
        raise DeedError(str(error)) from None
    return f"{run.version} leaves the queue." if waited else f"{run.version} was asked to stop; it saves first."


def _under_way(run: RunDir, otherwise: str) -> str:
    """What a run that was started waits for, if it does."""
    from imgexp_tui.records.state import State, status

    found = status(run)
    return f"{run.version} waits: {found.evidence}." if found.state is State.QUEUED else otherwise


def _run_dir(lab: Path, version: str, run: str) -> RunDir:
    from imgexp_tui.paths import RUNS
    from imgexp_tui.records.rundir import RunDir

    return RunDir(lab / RUNS / version / run)
