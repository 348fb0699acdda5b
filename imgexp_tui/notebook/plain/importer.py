"""Takes plain notes into the notebook. No note that says something is ever overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.notebook.load import read
from imgexp_tui.notebook.model import FIELDS, NotebookError, Problem, Version
from imgexp_tui.notebook.plain.reader import PlainNotes, PlainVersion, parse_plain
from imgexp_tui.notebook.saving.save import rewrite
from imgexp_tui.notebook.toml import edit
from imgexp_tui.paths import NOTEBOOK


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the versions of a file, by name.

    Attributes:
        added: new ones, and ones that got notes where they had none.
        unchanged: the notebook says the same already.
        conflicts: the notebook says something else, and keeps it.
        remarks: what was read differently than it stands, or not understood, with its line in the file.
    """

    added: tuple[str, ...]
    unchanged: tuple[str, ...]
    conflicts: tuple[str, ...]
    remarks: tuple[Problem, ...]


def import_notes(lab: Path, text: str, source: str) -> ImportReport:
    """Take the plain notes `text` into the lab's notebook, which is made where it is missing.

    Args:
        source: the file's name, for the remarks.

    Raises:
        NotebookError: nothing was written, and why.
    """
    notes = parse_plain(text)
    if notes.versions and not (lab / NOTEBOOK).exists():
        _create(lab)
    outcomes: dict[str, str] = {}

    def change(standing: str) -> str:
        outcomes.clear()
        return _merged(standing, notes, lab, outcomes)

    if notes.versions:
        rewrite(lab, change)

    def named(outcome: str) -> tuple[str, ...]:
        return tuple(name for name, found in outcomes.items() if found == outcome)

    remarks = tuple(Problem(source, r.line, r.version, r.message) for r in notes.remarks)
    return ImportReport(named("added"), named("unchanged"), named("conflict"), remarks)


def _merged(standing: str, notes: PlainNotes, lab: Path, outcomes: dict[str, str]) -> str:
    """The notebook's text with what is new in `notes`; what became of each version is put into `outcomes`."""
    versions = read(standing, lab).versions
    new = []
    for plain in notes.versions:
        there = versions.get(plain.name)
        outcomes[plain.name] = "added"
        if there is None:
            new.append(_new(plain))
            continue
        missing = _missing(plain, there)
        if missing is None:
            outcomes[plain.name] = "conflict"
        elif not missing:
            outcomes[plain.name] = "unchanged"
        else:
            for field, text in missing.items():
                standing = edit.set_note(standing, plain.name, field, text)
    return edit.add_versions(standing, new)


def _new(plain: PlainVersion) -> edit.NewVersion:
    notes = {field: getattr(plain, field) for field in FIELDS}
    return edit.NewVersion(plain.name, {"group": plain.group, **notes}, comment=plain.loose)


def _missing(plain: PlainVersion, there: Version) -> Mapping[str, str] | None:
    """The notes that the file has and the notebook has not; None where both say something, and not the same."""
    missing = {}
    for field in FIELDS:
        text, standing = getattr(plain, field), getattr(there, field)
        if text and standing and text != standing:
            return None
        if text and not standing:
            missing[field] = text
    return missing


def _create(lab: Path) -> None:
    """An empty notebook."""
    title = edit.write_text(lab.absolute().name, like='"')
    try:
        durable.create(lab / NOTEBOOK, f"[lab]\ntitle = {title}\n".encode(), mode=0o644)
    except FileExistsError:
        pass
    except OSError as error:
        raise NotebookError(f"cannot write {lab / NOTEBOOK}: {error.strerror}") from None
