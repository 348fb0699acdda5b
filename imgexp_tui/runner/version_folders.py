"""Renames, deletes, archives, tags and moves versions, in the notebook and in the folder of their runs.

A rename is written down first (`.imgexp/renaming.json`), then done in the notebook, then the folder `runs/OLD` becomes
`runs/NEW`, and at last the mark is taken away. The notebook comes before the folder because it is what can be refused,
by another writer or a mistake in it. Whatever ends the program in between, nothing is lost, and `finish_rename`, which
the app
calls when it opens and every rename and deletion before it begins, does the rest; so does repeating the rename. Without
the mark nobody could tell the runs of a version that was renamed from those of one that was deleted by hand.

Runs find themselves by where they lie (`RunDir`), so that they can move; but not while a process of theirs is alive.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson

from imgexp_tui import durable
from imgexp_tui.notebook.history import drafts, log
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import NotebookError, Version
from imgexp_tui.notebook.saving import atomic_swap
from imgexp_tui.notebook.saving.save import rewrite_notebook
from imgexp_tui.notebook.toml import edit, versions
from imgexp_tui.notebook.toml.tolerant import parse_tolerant
from imgexp_tui.paths import NOTEBOOK, RUNS, rename_mark
from imgexp_tui.records.rundir import RUN_ID, find_runs
from imgexp_tui.records.status import START_SECONDS, status
from imgexp_tui.runner.launchers.poller import ANSWER_TIMEOUT, JobPoller


def rename_version(lab: Path, old: str, new: str) -> None:
    """Call a version `new`, in the notebook and in `runs`; its drafts and the history of its notes follow.

    Raises:
        NotebookError: it was not renamed, or its runs have not followed yet, and why.
    """
    with _rename_lock(lab) as exclusive:
        if _finish_rename(lab, exclusive=exclusive) == (old, new):
            return
        versions.rename(_read_notebook(lab), old, new)  # what is refused here is refused before anything is touched
        if busy := _describe_live_run(lab, old):
            raise NotebookError(f"{busy}; its folder can be renamed when that has ended")
        if _entry_names(lab / RUNS / new):
            there = f"{RUNS}/{new} is there already, with runs of a version that is gone"
            raise NotebookError(f"{there}; take another name, or move it away")
        with _disk_errors_as(lab, "the rename cannot be written down"):
            log.make_metadata_folder(lab)
            durable.replace(rename_mark(lab), orjson.dumps({"old": old, "new": new}))
            log.copy_history(lab, old, new)
        try:
            rewrite_notebook(lab, lambda source: versions.rename(source, old, new))
        except NotebookError:
            rename_mark(lab).unlink(missing_ok=True)
            raise
        _move_runs(lab, old, new)


def finish_rename(lab: Path) -> None:
    """Do what is left of a rename that was cut off; nothing, where none was."""
    if rename_mark(lab).exists():
        with _rename_lock(lab) as exclusive, contextlib.suppress(NotebookError, OSError):
            _finish_rename(lab, exclusive=exclusive)


def delete_version(lab: Path, name: str) -> None:
    """Take a version out of the notebook that has no runs and that no other builds on. The history keeps its notes.

    Raises:
        NotebookError: it stays, and why.
    """
    finish_rename(lab)
    if ran := reason_not_deletable(lab, name):
        raise NotebookError(ran)
    rewrite_notebook(lab, lambda source: versions.remove(source, name))


def reason_not_deletable(lab: Path, name: str) -> str:
    """Why a version cannot be deleted: it has run. "" where it has not."""
    count = sum(bool(RUN_ID.fullmatch(entry)) for entry in _entry_names(lab / RUNS / name))
    if not count:
        return ""
    return f"{name} has {count} run{'s' if count > 1 else ''}, and what has run is never deleted; it can be archived"


def set_archived(lab: Path, name: str, *, archived: bool) -> None:
    """Put a version out of the way, or bring it back.

    Raises:
        NotebookError: nothing was written, and why.
    """
    rewrite_notebook(lab, lambda source: edit.set_archived(source, name, archived=archived))


def set_tags(lab: Path, version: Version, tags: list[str]) -> None:
    """Give a version these tags in place of those that `version` shows; what others added meanwhile stays.

    Raises:
        NotebookError: nothing was written, and why.
    """

    def change(source: str) -> str:
        table = parse_tolerant(source)[0].get("versions", {}).get(version.name, {})
        standing = table.get("tags") if isinstance(table, dict) else None
        theirs = [tag for tag in standing if isinstance(tag, str)] if isinstance(standing, list) else []
        added = [tag for tag in theirs if tag not in version.tags]
        gone = [tag for tag in version.tags if tag not in theirs]
        wanted = [tag for tag in tags if tag not in gone] + [tag for tag in added if tag not in tags]
        return source if wanted == standing else edit.set_tags(source, version.name, wanted)

    rewrite_notebook(lab, change)


def move_version(lab: Path, name: str, target: str) -> None:
    """Put a version in the place of another one in the file.

    Raises:
        NotebookError: nothing was written, and why.
    """
    rewrite_notebook(lab, lambda source: versions.move(source, name, target))


@contextlib.contextmanager
def _rename_lock(lab: Path) -> Iterator[bool]:
    """One rename at a time; whether it is known that nobody else is at one."""
    if not log.metadata_folder(lab).is_dir():
        with contextlib.suppress(OSError):
            log.make_metadata_folder(lab)
    with atomic_swap.hold_save_lock(log.metadata_folder(lab) / "renaming") as exclusive:
        yield exclusive


def _finish_rename(lab: Path, *, exclusive: bool) -> tuple[str, str] | None:
    """Do what is left; which rename was finished.

    Raises:
        NotebookError: it cannot be finished now.
    """
    try:
        said = orjson.loads(rename_mark(lab).read_bytes())
        old, new = str(said["old"]), str(said["new"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    names = load_notebook(lab).versions
    if new in names and old not in names:
        _move_runs(lab, old, new)
        return old, new
    # It had not begun, or somebody has gone on by hand: nothing of it is to be done.
    if exclusive:
        rename_mark(lab).unlink(missing_ok=True)
    return None


def _move_runs(lab: Path, old: str, new: str) -> None:
    """After the notebook: the folder, the drafts, and the mark."""
    source, target = lab / RUNS / old, lab / RUNS / new
    done = f"{old} is {new} in {NOTEBOOK} now, but its runs have not followed"
    if busy := _describe_live_run(lab, old):
        raise NotebookError(f"{done}: {busy}; they will when that has ended and the app is opened again")
    with _disk_errors_as(lab, f"{done}: {RUNS}/{old} cannot be moved"):
        _move_or_merge_folder(source, target)
    with contextlib.suppress(OSError):
        for draft in drafts.read_drafts(lab):
            if draft.version == old:
                drafts.write_draft(lab, replace(draft, version=new))
                drafts.delete_draft(lab, old, draft.field)
    with _disk_errors_as(lab, f"{old} is {new} now, but"):
        rename_mark(lab).unlink(missing_ok=True)
        durable.sync_folder(log.metadata_folder(lab))


def _move_or_merge_folder(source: Path, target: Path) -> None:
    """Give a folder of runs another name; where one of that name has runs by now, they go together."""
    try:
        source.rename(target)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        for entry in _entry_names(source):
            if not (target / entry).exists():
                (source / entry).rename(target / entry)
        durable.sync_folder(target)
        with contextlib.suppress(OSError):
            source.rmdir()
    durable.sync_folder(source.parent)


def _describe_live_run(lab: Path, name: str) -> str:
    """Which run of a version has, or may have, living processes, as the beginning of a sentence; "" without one."""
    runs = find_runs(lab, name)
    JobPoller().poll(runs, ANSWER_TIMEOUT)
    for run in runs:
        found = status(run)
        if found.state.live:
            return f"{name}/{run.run_id} is {found.state}"
    known = {run.run_id for run in runs}
    for entry in _entry_names(lab / RUNS / name):
        if (
            RUN_ID.fullmatch(entry)
            and entry not in known
            and _seconds_since_change(lab / RUNS / name / entry) < START_SECONDS
        ):
            return f"{name}/{entry} is being started"
    return ""


def _seconds_since_change(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _entry_names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _read_notebook(lab: Path) -> str:
    try:
        return (lab / NOTEBOOK).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise NotebookError(f"cannot read {lab / NOTEBOOK}: {getattr(error, 'strerror', None) or error}") from None


@contextlib.contextmanager
def _disk_errors_as(lab: Path, sentence: str) -> Iterator[None]:
    """An error of the disk as a sentence."""
    try:
        yield
    except OSError as error:
        raise NotebookError(f"{sentence}: {error.strerror}: {error.filename or lab}") from None
