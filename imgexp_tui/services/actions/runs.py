"""Performs the actions on runs and files: start, stop, resume, queue order, export, commit.

The functions block: call them in threads. Each returns a sentence for the user, or raises `ActionError` with one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import clean_line

if TYPE_CHECKING:
    from imgexp_tui.records.rundir import RunDir

EXPORT_NAME = "notebook.md"
_EXPORT_TIMEOUT = 600.0
"""Seconds for an export: enough for thousands of runs on a slow network file system."""


class ActionError(Exception):
    """An action failed; the message is a sentence that says what was not done, and why."""


def start(notebook: Notebook, version: str) -> str:
    """Start a run of a version."""
    from imgexp_tui.runner.launch import LaunchError, launch

    try:
        run = launch(notebook, version)
    except LaunchError as error:
        raise ActionError(str(error)) from None
    return _started_sentence(run, f"{version} is under way; it goes on when you leave.")


def stop(lab: Path, version: str, run: str) -> str:
    """Ask a run to stop, or remove it from the queue."""
    return _stop(_run_dir(lab, version, run))


def stop_at(path: str) -> str:
    """Stop the run in the folder `path`, which may be in another lab."""
    from imgexp_tui.records.rundir import RunDir

    return _stop(RunDir(Path(path)))


def move_in_queue(uuid: str, offset: int) -> str:
    """Move a waiting run in the queue by `offset` places, earlier if negative. Returns "": the screen shows it."""
    from imgexp_tui.runner.queue.queue import Queue, QueueError

    try:
        Queue().move(uuid, offset)
    except QueueError as error:
        raise ActionError(str(error)) from None
    return ""


def resume(lab: Path, version: str, run: str) -> str:
    """Resume a run that has ended, from its last checkpoint."""
    from imgexp_tui.runner import control

    run_dir = _run_dir(lab, version, run)
    try:
        control.resume(run_dir)
    except control.ControlError as error:
        raise ActionError(str(error)) from None
    return _started_sentence(run_dir, f"{version} goes on from its last checkpoint.")


def would_overwrite(lab: Path, name: str = EXPORT_NAME) -> bool:
    """Whether an export would overwrite a file that was not made by an export."""
    from imgexp_tui.reports.markdown import EXPORT_MARK

    try:
        with (lab / name).open(encoding="utf-8", errors="replace") as file:
            return EXPORT_MARK not in file.read(400)
    except OSError:
        return False


def export(notebook: Notebook, name: str = EXPORT_NAME, versions: Sequence[str] = ()) -> str:
    """Export the notebook, or some of its versions, as markdown with plots into the lab's folder.

    Runs the export command in another process, because the plotting library is large and the app never loads it.

    Args:
        versions: names of the versions to export; () exports all.
    """
    path = notebook.lab / name
    if name != EXPORT_NAME and would_overwrite(notebook.lab, name):
        raise ActionError(f"Not exported: {path} is there already and no export made it. Move it away first.")
    words = [sys.executable, "-P", "-m", "imgexp_tui", "-C", os.fspath(notebook.lab), "export", "--format", "markdown"]
    try:
        done = subprocess.run(
            [*words, "-o", os.fspath(path), *versions],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_EXPORT_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionError(f"Not exported: {clean_line(str(error))}.") from None
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("imgexp-tui: ")
        raise ActionError(f"Not exported: {clean_line(message) or 'the command ended without a word'}.")
    return f"Written: {path}"


def commit(lab: Path, message: str) -> str:
    """Commit the notebook with git."""
    from imgexp_tui.notebook.history import commit as git_commit
    from imgexp_tui.notebook.history.git import GitError

    try:
        return git_commit.commit(lab, message)
    except GitError as error:
        raise ActionError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _stop(run: RunDir) -> str:
    from imgexp_tui.records.status import State, status
    from imgexp_tui.runner import control

    was_queued = status(run).state is State.QUEUED
    try:
        control.stop(run)
    except control.ControlError as error:
        raise ActionError(str(error)) from None
    return f"{run.version} leaves the queue." if was_queued else f"{run.version} was asked to stop; it saves first."


def _started_sentence(run: RunDir, default: str) -> str:
    """The sentence after a start: what the run waits for, or `default` if it does not wait."""
    from imgexp_tui.records.status import State, status

    run_status = status(run)
    return f"{run.version} waits: {run_status.evidence}." if run_status.state is State.QUEUED else default


def _run_dir(lab: Path, version: str, run: str) -> RunDir:
    from imgexp_tui.paths import RUNS
    from imgexp_tui.records.rundir import RunDir

    return RunDir(lab / RUNS / version / run)
