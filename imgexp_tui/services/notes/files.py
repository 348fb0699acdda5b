"""Opens and saves a version's notes for the editor, with their drafts.

The functions block: call them in threads. Every failure is returned as a sentence. How a save merges concurrent changes
is in `notebook.saving`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError, Version
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.services.notes import external_editor


@dataclass(frozen=True, slots=True)
class OpenedNotes:
    """The notes of a version when the editor opens.

    Attributes:
        texts: field → text in the file.
        drafts: field → a draft that differs from the file.
        base, changes: the version's base, and its changes against it, such as "batch_size 64 → 512".
        problem: why the notes cannot be edited, as a sentence; "" if they can be.
        notice: a sentence to read before typing; usually "".
    """

    texts: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    problem: str = ""
    notice: str = ""
    base: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteSaveResult:
    """The result of a save.

    Attributes:
        text: the text in the file now; after a failure, the text that was not saved.
        sentence: what the user should know; "" after a normal save.
    """

    outcome: SaveOutcome
    text: str
    sentence: str = ""


def open_notes(lab: Path, version: str) -> OpenedNotes:
    """Read the notes of `version` from the file, and the drafts that were left behind."""
    from imgexp_tui.notebook.diff import setting_changes
    from imgexp_tui.notebook.history import drafts as draft_files
    from imgexp_tui.notebook.load import load_notebook

    try:
        notebook = load_notebook(lab)
    except NotebookError as error:
        return OpenedNotes(problem=str(error))
    version_entry = notebook.versions.get(version)
    if version_entry is None:
        return OpenedNotes(problem=f"{version} is not in {NOTEBOOK} (any more).")
    texts = {name: str(getattr(version_entry, name)) for name in NOTE_FIELDS}
    left = {d.field: d for d in draft_files.read_drafts(lab) if d.version == version and d.field in texts}
    _adopt_unclaimed_edits(lab, version, texts, left)
    drafts = {name: d for name, d in left.items() if d.text != texts[name]}
    problem = _version_problem(version_entry) or read_only_reason(notebook.path)
    changed = tuple(map(str, setting_changes(notebook, version)))
    return OpenedNotes(texts, drafts, problem, hard_link_notice(notebook.path), version_entry.base or "", changed)


def _version_problem(version: Version) -> str:
    """Why this version's notes cannot be read completely, and so must not be written; "" if they can be."""
    paths = {f"versions.{version.name}", *(f"versions.{version.name}.{name}" for name in NOTE_FIELDS)}
    return next((f"{problem}. Mend it there first." for problem in version.problems if problem.path in paths), "")


def _adopt_unclaimed_edits(lab: Path, version: str, texts: dict[str, str], drafts: dict[str, Draft]) -> None:
    """Turn files that an external editor left into drafts, where they are newer than existing drafts."""
    from imgexp_tui.notebook.history import drafts as draft_files

    for left in external_editor.unclaimed_edits(lab, version):
        draft, file = drafts.get(left.field), texts.get(left.field)
        newer = draft is None or left.time > draft.time
        if file is not None and newer and left.text.rstrip("\n") != file.rstrip("\n"):
            drafts[left.field] = Draft(version, left.field, left.text, draft.seen if draft else file, left.time)
            try:
                draft_files.write_draft(lab, drafts[left.field])
            except OSError:
                continue
        left.path.unlink(missing_ok=True)


def read_only_reason(path: Path) -> str:
    """Why `path` cannot be replaced, as a sentence; "" if it can be. A save renames, so it needs a writable folder."""
    from imgexp_tui.notebook.saving import atomic_swap

    real = Path(os.path.realpath(path))
    place = atomic_swap.find_read_only(real)
    if place == real:
        return f"{real.name} is read-only for you: notes can be read here, not changed. Mend: chmod u+w {real}"
    if place:
        return f"The folder {place} is read-only for you: notes can be read here, not changed."
    return ""


def hard_link_notice(path: Path) -> str:
    """What a save does to other hard links of the file at `path`, as a sentence; "" without any."""
    try:
        names = path.stat().st_nlink
    except OSError:
        return ""
    if names < 2:
        return ""
    other_names = "another name" if names == 2 else f"{names - 1} other names"
    return (
        f"{NOTEBOOK} has {other_names} (hard links), where the old text stays when a note is saved here. "
        "A symbolic link (ln -s) would follow."
    )


def save(lab: Path, version: str, name: str, text: str, *, original: str) -> NoteSaveResult:
    """Save one note. Failures of the file are returned, never raised.

    Args:
        original: the text that the edit started from.
    """
    from imgexp_tui.notebook.saving.save import save_note

    try:
        saved = save_note(lab, version, name, text, original=original)
    except NotebookError as error:
        return NoteSaveResult(SaveOutcome.FAILED, text, f"Not saved: {error}. Your text is kept as a draft.")
    except OSError as error:
        return NoteSaveResult(
            SaveOutcome.FAILED, text, f"Not saved ({error.strerror or error}). Your text is kept as a draft."
        )
    sentence = {
        SaveOutcome.MERGED: f"The {name} was also changed elsewhere: both changes are merged and saved.",
        SaveOutcome.CONFLICT: f"The {name} was changed elsewhere in the same place: both texts are kept, marked. "
        "Mend them here.",
    }.get(saved.outcome, "")
    return NoteSaveResult(saved.outcome, saved.text, sentence)


def combine_texts(file: str, draft: str) -> str:
    """One text with every line of both, in order; common lines occur once."""
    a, b = file.splitlines(keepends=True), draft.splitlines(keepends=True)
    if a and b and not a[-1].endswith("\n"):
        a[-1] += "\n"
    out: list[str] = []
    for tag, i, end, j, stop in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        out += a[i:end] if tag == "equal" else [*a[i:end], *b[j:stop]]
    return "".join(out)
