"""Draft files: unsaved text of notes, kept on disk until it is saved.

They are in the user's state folder, outside the lab, so that a full or lost lab disk does not lose them too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from imgexp_tui import durable, paths


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsaved note.

    Attributes:
        field: the note, such as "takeaways".
        text: what has been typed so far.
        seen: the file's text that the edit started from.
        time: of the last keystroke, seconds since the epoch.
    """

    version: str
    field: str
    text: str
    seen: str
    time: float


def write_draft(lab: Path, draft: Draft) -> None:
    """Writes `draft` in place of an older one of the same note.

    Raises:
        OSError: it could not be written; the older one is untouched.
    """
    path = _draft_path(lab, draft.version, draft.field)
    durable.make_folder(path.parent)
    # orjson rejects lone surrogates, which pasted text can have; the standard library's encoder keeps them.
    durable.replace(path, json.dumps(asdict(draft)).encode())


def delete_draft(lab: Path, version: str, field: str) -> None:
    """Deletes the draft of a note, if there is one."""
    path = _draft_path(lab, version, field)
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        durable.sync_folder(path.parent)


def read_drafts(lab: Path) -> list[Draft]:
    """Returns every draft of a lab, oldest first; invalid files are skipped."""
    drafts = []
    for path in _drafts_folder(lab).glob("*.json"):
        try:
            drafts.append(Draft(**json.loads(path.read_bytes())))
        except (OSError, ValueError, TypeError):
            continue
    return sorted(drafts, key=lambda d: d.time)


def _drafts_folder(lab: Path) -> Path:
    return paths.lab_state(lab) / "drafts"


def _draft_path(lab: Path, version: str, field: str) -> Path:
    name = hashlib.sha256(f"{version}\0{field}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return _drafts_folder(lab) / f"{name}.json"
