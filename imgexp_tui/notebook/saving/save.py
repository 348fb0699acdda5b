"""Saves a note, or a new version, such that neither this edit nor anybody else's is lost.

The file is read afresh, only the edited key is changed in it, and the result exchanged for the file. When what was
displaced is not what was read, somebody else wrote in between: their text is merged in, and it goes round again.
There are no locks, which clusters drop. Saving takes longer for a large file; call it from a thread.
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
"""Tries against writers that keep writing in between, before it is given up."""
_OTHER_WRITER_TIMEOUT = 1.0
"""Seconds that another program may take to write the file."""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """How a save went.

    Attributes:
        text: what the note says in the file now.
    """

    text: str
    outcome: SaveOutcome


def save_note(lab: Path, version: str, field: str, text: str, *, original: str) -> SaveResult:
    """Put `text` in place of a version's note.

    Args:
        field: one of `FIELDS`.
        original: the text that the edit started from; what others made of it since is merged in.

    Raises:
        NotebookError: nothing was written, and why.
    """
    if field not in NOTE_FIELDS:
        raise ValueError(f"{field} is no note; take one of {', '.join(NOTE_FIELDS)}")
    result = SaveResult(text, SaveOutcome.UNCHANGED)

    def change(source: str) -> str:
        nonlocal result
        standing = edit.read_note(source, version, field)
        merged, well = merge_texts(original, text, standing)
        if not well:
            outcome = SaveOutcome.CONFLICT
        elif merged == standing:
            outcome = SaveOutcome.UNCHANGED
        else:
            outcome = SaveOutcome.MERGED if merged != text else SaveOutcome.SAVED
        result = SaveResult(merged, outcome)
        return source if merged == standing else edit.set_note(source, version, field, merged)

    rewrite_notebook(lab, change)
    return result


def restore_state(lab: Path, state: log.NoteState, *, original: str) -> SaveResult:
    """Make an older state of a note the note again.

    Args:
        state: one of `history.states`.
        original: what the note says now, as it was shown; what others made of it since is merged in.

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
    """Add a version at the end of the notebook.

    Args:
        extra_change: changes the text that has the new version further, to be written with it or not at all.

    Raises:
        NotebookError: nothing was written, and why.
    """
    if not VERSION_NAME.fullmatch(name):
        raise NotebookError(f"{name!r} is no name for a version; take letters, digits, '.', '_' and '-'")
    keys = {"base": base or "", "summary": summary, "takeaways": takeaways}
    new = edit.NewVersion(name, keys, train or {})
    rewrite_notebook(lab, lambda source: extra_change(edit.append_versions(source, [new])))


def rewrite_notebook(lab: Path, change: Callable[[str], str]) -> bool:
    """Apply `change` to the notebook's text, whoever else writes at the same time; the history follows.

    Args:
        change: called with the text that stands there, again with a newer one if somebody else writes in between.

    Returns:
        Whether anything was written.

    Raises:
        NotebookError: nothing was written, and why.
    """
    path = Path(os.path.realpath(lab / NOTEBOOK))
    if path.exists():
        with contextlib.suppress(OSError):
            log.make_metadata_folder(lab)
    with atomic_swap.hold_save_lock(log.metadata_folder(lab) / "turn") as alone:
        if alone:
            with contextlib.suppress(OSError):
                atomic_swap.recover_interrupted_swaps(path)
        expected = _read_when_idle(path)
        ours = change(_decode(expected)).encode()
        if ours == expected:
            return False
        return _write_with_retries(lab, path, expected, ours, change) != expected


def recover_interrupted_saves(lab: Path) -> None:
    """Clear up after savers that were killed, before notes are read. Nothing is told: a save does it too."""
    path = Path(os.path.realpath(lab / NOTEBOOK))
    left = path.parent.glob(f".{path.name}.*")
    if any(p.suffix in (".swap", ".tmp") for p in left):
        with atomic_swap.hold_save_lock(log.metadata_folder(lab) / "turn") as alone, contextlib.suppress(OSError):
            if alone:
                atomic_swap.recover_interrupted_swaps(path)


def _write_with_retries(lab: Path, path: Path, expected: bytes, ours: bytes, change: Callable[[str], str]) -> bytes:
    """Put `ours` in place of `expected`; what others put there in between is changed in the same way instead.

    Returns:
        What stands there now.
    """
    for _ in range(_MAX_ATTEMPTS):
        if (place := atomic_swap.find_read_only(path)) is not None:
            raise NotebookError(f"{place} is read-only for you; mend: chmod u+w {place}")
        try:
            _record_in_history(lab, expected, path.stat().st_mtime)
            if atomic_swap.compare_and_swap(path, ours, expected):
                with contextlib.suppress(NotebookError):  # it is saved; the next save adds what is missing
                    _record_in_history(lab, ours, time.time())
                return ours
        except FileNotFoundError:
            pass  # an editor is about to rename its own file to this name
        except OSError as error:
            whole = "it may not outlive a power cut" if _file_equals(path, ours) else "the file is as it was"
            raise NotebookError(f"cannot write {path}: {error.strerror}; {whole}") from None
        expected = _read_when_idle(path)
        ours = change(_decode(expected)).encode()
        if ours == expected:
            return ours
    raise NotebookError(f"{path} is being rewritten all the time by something else; save again when that has stopped")


def _record_in_history(lab: Path, raw: bytes, timestamp: float) -> None:
    """Add to the history what the notes say, as far as it does not know.

    Raises:
        NotebookError: the disk is full or failing, so a note that is replaced could not be brought back. Where this
            user may keep no history in a lab (it is another user's), there is none, and saves go on.
    """
    text = _decode(raw)
    data = parse_strict(text)
    try:
        log.record_missing(lab, log.notes_in(parse_tolerant(text)[0] if data is None else data), timestamp)
    except OSError as error:
        if error.errno in durable.DATA_LOSS_ERRORS:
            kept = f"cannot keep what the notes said until now in {log.metadata_folder(lab)}"
            raise NotebookError(f"{kept}: {error.strerror}; the file is as it was") from None


def _file_equals(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _read_when_idle(path: Path) -> bytes:
    """What the file holds when nobody is in the middle of writing it."""
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
