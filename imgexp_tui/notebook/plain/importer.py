"""Imports plain notes into the notebook. A note that has text is never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError, Problem, Version
from imgexp_tui.notebook.plain.reader import PlainNotes, PlainVersion, parse_plain
from imgexp_tui.notebook.saving.save import rewrite_notebook
from imgexp_tui.notebook.toml import edit
from imgexp_tui.paths import NOTEBOOK


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What happened to the versions of a file, by name.

    Attributes:
        added: new versions, and versions that got notes which they did not have.
        unchanged: the notebook has the same text already.
        conflicts: the notebook has another text, and keeps it.
        remarks: what was interpreted or not understood, with its line in the file.
    """

    added: tuple[str, ...]
    unchanged: tuple[str, ...]
    conflicts: tuple[str, ...]
    remarks: tuple[Problem, ...]


def import_notes(lab: Path, text: str, source: str) -> ImportReport:
    """Imports the plain notes `text` into the lab's notebook, which is made if it is missing.

    Args:
        source: the file's name, for the remarks.

    Raises:
        NotebookError: nothing was written, and why.
    """
    notes = parse_plain(text)
    if notes.versions and not (lab / NOTEBOOK).exists():
        _create_notebook(lab)
    outcomes: dict[str, str] = {}

    def change(current: str) -> str:
        outcomes.clear()
        return _merge_notes(current, notes, lab, outcomes)

    if notes.versions:
        rewrite_notebook(lab, change)

    def named(outcome: str) -> tuple[str, ...]:
        return tuple(name for name, version_outcome in outcomes.items() if version_outcome == outcome)

    remarks = tuple(Problem(source, r.line, r.version, r.message) for r in notes.remarks)
    return ImportReport(named("added"), named("unchanged"), named("conflict"), remarks)


def _merge_notes(notebook_text: str, notes: PlainNotes, lab: Path, outcomes: dict[str, str]) -> str:
    """Returns the notebook's text with what is new in `notes`; records what happened to each version in `outcomes`."""
    versions = parse_notebook(notebook_text, lab).versions
    new = []
    for plain in notes.versions:
        existing = versions.get(plain.name)
        outcomes[plain.name] = "added"
        if existing is None:
            new.append(_new_version(plain))
            continue
        missing = _missing_notes(plain, existing)
        if missing is None:
            outcomes[plain.name] = "conflict"
        elif not missing:
            outcomes[plain.name] = "unchanged"
        else:
            for field, text in missing.items():
                notebook_text = edit.set_note(notebook_text, plain.name, field, text)
    return edit.append_versions(notebook_text, new)


def _new_version(plain: PlainVersion) -> edit.NewVersion:
    notes = {field: getattr(plain, field) for field in NOTE_FIELDS}
    return edit.NewVersion(plain.name, {"group": plain.group, **notes}, comment=plain.unassigned_text)


def _missing_notes(plain: PlainVersion, existing: Version) -> Mapping[str, str] | None:
    """Returns the notes that the file has and the notebook lacks; None if both have one and they differ."""
    missing = {}
    for field in NOTE_FIELDS:
        text, existing_text = getattr(plain, field), getattr(existing, field)
        if text and existing_text and text != existing_text:
            return None
        if text and not existing_text:
            missing[field] = text
    return missing


def _create_notebook(lab: Path) -> None:
    """Creates an empty notebook."""
    title = edit.format_toml_string(lab.absolute().name, quotes='"')
    try:
        durable.create(lab / NOTEBOOK, f"[lab]\ntitle = {title}\n".encode(), mode=0o644)
    except FileExistsError:
        pass
    except OSError as error:
        raise NotebookError(f"cannot write {lab / NOTEBOOK}: {error.strerror}") from None
