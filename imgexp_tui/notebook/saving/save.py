"""Saves a note, or adds a version, so that neither this edit nor anybody else's is lost.

The file is read again, only the edited key is changed in its text, and the result is swapped in (`atomic_swap`). If
another program wrote in between, its text is merged in (`merge`) and the save is tried again. It does not depend on
locks, which cluster file systems drop. Saving a large file takes a while; call it from a thread.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.notebook.history import log
from imgexp_tui.notebook.model import NOTE_FIELDS, VERSION_NAME, NotebookError
from imgexp_tui.notebook.saving import atomic_swap
from imgexp_tui.notebook.saving.merge import merge_texts
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.notebook.schema.settings import SettingValue
from imgexp_tui.notebook.toml import edit
from imgexp_tui.notebook.toml.tolerant import parse_strict, parse_tolerant
from imgexp_tui.paths import NOTEBOOK

_MAX_ATTEMPTS = 50
"""Attempts while other programs keep writing in between, before the save fails."""
_OTHER_WRITER_TIMEOUT = 1.0
"""Seconds that another program may take to write the file."""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """How a save went.

    Attributes:
        text: the note as it now is in the file.
    """

    text: str
    outcome: SaveOutcome


def save_note(lab: Path, version: str, field: str, text: str, *, original: str) -> SaveResult:
    """Replaces a version's note by `text`.

    Args:
        field: one of `NOTE_FIELDS`.
        original: the text that the edit started from; what others changed in it since is merged in.

    Raises:
        NotebookError: nothing was written, and why.
    """
    if field not in NOTE_FIELDS:
        raise ValueError(f"{field} is no note; take one of {', '.join(NOTE_FIELDS)}")
    result = SaveResult(text, SaveOutcome.UNCHANGED)

    def change(source: str) -> str:
        nonlocal result
        current = edit.read_note(source, version, field)
        merged, clean = merge_texts(original, text, current)
        if not clean:
            outcome = SaveOutcome.CONFLICT
        elif merged == current:
            outcome = SaveOutcome.UNCHANGED
        else:
            outcome = SaveOutcome.MERGED if merged != text else SaveOutcome.SAVED
        result = SaveResult(merged, outcome)
        return source if merged == current else edit.set_note(source, version, field, merged)

    rewrite_notebook(lab, change)
    return result


def restore_state(lab: Path, state: log.NoteState, *, original: str) -> SaveResult:
    """Makes an older state of a note the current one.

    Args:
        state: one of `history.log.note_states`.
        original: the current note as it was displayed; what others changed in it since is merged in.

    Raises:
        NotebookError: nothing was written, and why.
    """
    return save_note(lab, state.version, state.field, state.text, original=original)


def add_version(
    lab: Path,
    name: str,
    *,
    base: str | None,
    summary: str = "",
    takeaways: str = "",
    train: Mapping[str, SettingValue] | None = None,
    extra_change: Callable[[str], str] = lambda source: source,
) -> None:
    """Adds a version at the end of the notebook.

    Args:
        extra_change: a further change of the text that has the new version; both are written, or neither.

    Raises:
        NotebookError: nothing was written, and why.
    """
    if not VERSION_NAME.fullmatch(name):
        raise NotebookError(f"{name!r} is no name for a version; take letters, digits, '.', '_' and '-'")
    keys = {"base": base or "", "summary": summary, "takeaways": takeaways}
    new = edit.NewVersion(name, keys, train or {})
    rewrite_notebook(lab, lambda source: extra_change(edit.append_versions(source, [new])))


def rewrite_notebook(lab: Path, change: Callable[[str], str]) -> bool:
    """Applies `change` to the notebook's text, safe against other writers, and records the notes in the history.

    Args:
        change: called with the file's text, and again with a newer one if another program writes in between.

    Returns:
        Whether anything was written.

    Raises:
        NotebookError: nothing was written, and why.
    """
    path = Path(os.path.realpath(lab / NOTEBOOK))
    if path.exists():
        with contextlib.suppress(OSError):
            log.make_metadata_folder(lab)
    with atomic_swap.hold_save_lock(log.metadata_folder(lab) / "turn") as locked:
        if locked:
            with contextlib.suppress(OSError):
                atomic_swap.recover_interrupted_swaps(path)
        expected = _read_when_idle(path)
        new_data = change(_decode(expected)).encode()
        if new_data == expected:
            return False
        return _write_with_retries(lab, path, expected, new_data, change) != expected


def recover_interrupted_saves(lab: Path) -> None:
    """Cleans up after processes that were killed while they saved; call it before notes are read.

    Errors are ignored: each save cleans up too.
    """
    path = Path(os.path.realpath(lab / NOTEBOOK))
    left = path.parent.glob(f".{path.name}.*")
    if any(p.suffix in (".swap", ".tmp") for p in left):
        with atomic_swap.hold_save_lock(log.metadata_folder(lab) / "turn") as locked, contextlib.suppress(OSError):
            if locked:
                atomic_swap.recover_interrupted_swaps(path)


def _write_with_retries(lab: Path, path: Path, expected: bytes, new_data: bytes, change: Callable[[str], str]) -> bytes:
    """Replaces `expected` by `new_data`. If others wrote in between, applies `change` to their text instead.

    Returns:
        What the file now holds.
    """
    for _ in range(_MAX_ATTEMPTS):
        if (place := atomic_swap.find_read_only(path)) is not None:
            raise NotebookError(f"{place} is read-only for you; mend: chmod u+w {place}")
        try:
            _record_in_history(lab, expected, path.stat().st_mtime)
            if atomic_swap.compare_and_swap(path, new_data, expected):
                with contextlib.suppress(NotebookError):  # it is saved; the next save adds what is missing
                    _record_in_history(lab, new_data, time.time())
                return new_data
        except FileNotFoundError:
            pass  # an editor is about to rename its own file to this name
        except OSError as error:
            file_state = "it may not outlive a power cut" if _file_equals(path, new_data) else "the file is as it was"
            raise NotebookError(f"cannot write {path}: {error.strerror}; {file_state}") from None
        expected = _read_when_idle(path)
        new_data = change(_decode(expected)).encode()
        if new_data == expected:
            return new_data
    raise NotebookError(f"{path} is being rewritten all the time by something else; save again when that has stopped")


def _record_in_history(lab: Path, raw: bytes, timestamp: float) -> None:
    """Adds the notes in `raw` to the history, unless it has them already.

    Raises:
        NotebookError: the disk is full or failing, so that a replaced note could not be restored. If this user may not
            write a history in the lab (it is another user's), there is none, and saving goes on.
    """
    text = _decode(raw)
    data = parse_strict(text)
    try:
        log.record_missing(lab, log.notes_in(parse_tolerant(text)[0] if data is None else data), timestamp)
    except OSError as error:
        if error.errno in durable.DATA_LOSS_ERRORS:
            problem = f"cannot keep what the notes said until now in {log.metadata_folder(lab)}"
            raise NotebookError(f"{problem}: {error.strerror}; the file is as it was") from None


def _file_equals(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _read_when_idle(path: Path) -> bytes:
    """Returns what the file holds when no other program is writing it."""
    limit = time.monotonic() + _OTHER_WRITER_TIMEOUT
    while True:
        problem = f"another program has {path} open for writing; close it there, then save again"
        try:
            data, busy = atomic_swap.read_with_writer_check(path)
            if not busy:
                return data
        except FileNotFoundError:
            # Editors that save by renaming leave the name empty for a moment.
            problem = f"there is no {path} any more; nothing was written"
        except OSError as error:
            raise NotebookError(f"cannot read {path}: {error.strerror}") from None
        if time.monotonic() > limit:
            raise NotebookError(problem)
        time.sleep(0.01)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotebookError(f"{NOTEBOOK}:{line}: this is not UTF-8; save the file as UTF-8 first") from None
