"""Every saved state of every note: `.imgexp/notes.jsonl` in the lab, appended to, never rewritten.

It tells how old a note is, and keeps what a note once said, whether or not the lab is in git.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from imgexp_tui import durable
from imgexp_tui.notebook.model import FIELDS, Notebook

Note = tuple[str, str, str]
"""Version, field, text."""


def record_missing(lab: Path, notebook: Notebook, moment: float) -> None:
    """Add the notes whose latest state the history does not have, dated `moment`; of an emptied note, that it is.

    Raises:
        OSError: the lab cannot be read or written to.
    """
    known = _latest(lab)
    new = [note for note in _notes(notebook) if known.get(note[:2], (0.0, ""))[1] != note[2]]
    if new:
        _add(lab, new, moment)


def note_times(lab: Path, notebook: Notebook) -> dict[str, float]:
    """Version → when one of its notes last changed, seconds since the epoch; versions without notes are left out.

    A note that was changed by hand, unknown to the history, counts as changed with the file.
    """
    try:
        changed = notebook.path.stat().st_mtime
    except OSError:
        changed = time.time()
    known = _latest(lab)
    times: dict[str, float] = {}
    for version, field, text in _notes(notebook):
        moment, last = known.get((version, field), (changed if text else 0.0, text))
        times[version] = max(times.get(version, 0.0), moment if last == text else changed)
    return {version: moment for version, moment in times.items() if moment}


def _notes(notebook: Notebook) -> Iterator[Note]:
    for version in notebook.versions.values():
        for field in FIELDS:
            yield version.name, field, getattr(version, field)


def _latest(lab: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """Note → when its latest state was saved, and that state. A torn line is passed over."""
    try:
        lines = _file(lab).read_bytes().splitlines()
    except OSError:
        return {}
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for line in lines:
        try:
            entry = orjson.loads(line)
            found[entry["version"], entry["field"]] = (float(entry["time"]), str(entry["text"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def folder(lab: Path) -> Path:
    """Where this program keeps its own files of a lab."""
    return lab / ".imgexp"


def make_folder(lab: Path) -> None:
    """Make that folder where it is missing, out of git's sight.

    Raises:
        OSError: the lab cannot be written to.
    """
    if not folder(lab).is_dir():
        folder(lab).mkdir(mode=0o700, exist_ok=True)
        (folder(lab) / ".gitignore").write_text("*\n")


def _file(lab: Path) -> Path:
    return folder(lab) / "notes.jsonl"


def _add(lab: Path, notes: Iterable[Note], moment: float) -> None:
    make_folder(lab)
    lines = [
        orjson.dumps({"time": moment, "version": v, "field": f, "text": t}, option=orjson.OPT_APPEND_NEWLINE)
        for v, f, t in notes
    ]
    durable.append(_file(lab), b"".join(lines))
