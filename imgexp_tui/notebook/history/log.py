"""The history of notes, `.imgexp/notes.jsonl`: every saved state of every note. It is appended to, never rewritten.

It has the age of each note and its older texts, whether or not the lab is in git. Before a save replaces a text, it
appends that text durably, so that text which another program overwrites can be restored too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from imgexp_tui import durable
from imgexp_tui.notebook.model import NOTE_FIELDS, Notebook

NoteText = tuple[str, str, str]
"""Version, field, text."""


@dataclass(frozen=True, slots=True)
class NoteState:
    """A saved state of a note.

    Attributes:
        time: when it was saved, seconds since the epoch.
        text: "" where the note was emptied.
    """

    version: str
    field: str
    time: float
    text: str


def note_states(lab: Path, version: str, field: str) -> list[NoteState]:
    """Returns every state of a note, newest first. `saving.save.restore_state` makes one of them the current note."""
    states: list[NoteState] = []
    for state in parse_states(_read_whole_lines(history_path(lab), 0)):
        if (state.version, state.field) == (version, field) and not (states and states[-1].text == state.text):
            states.append(state)
    return states[::-1]


def record_missing(lab: Path, notes: Iterable[NoteText], timestamp: float) -> None:
    """Appends the notes whose text is not their latest state in the history, dated `timestamp`; emptied notes too.

    Raises:
        OSError: the lab cannot be read or written to.
    """
    known = _latest_states(lab)
    nothing = NoteState("", "", 0.0, "")
    new = [(v, f, text) for v, f, text in notes if known.get((v, f), nothing).text != text]
    if new:
        _append_states(lab, new, timestamp)


def copy_history(lab: Path, old: str, new: str) -> None:
    """Copies a version's history to its new name.

    Raises:
        OSError: the lab cannot be read or written to.
    """
    states = list(parse_states(_read_whole_lines(history_path(lab), 0)))
    old_states = [(s.field, s.time, s.text) for s in states if s.version == old]
    if old_states and old_states != [(s.field, s.time, s.text) for s in states if s.version == new][-len(old_states) :]:
        entries = [{"time": moment, "version": new, "field": field, "text": text} for field, moment, text in old_states]
        durable.append(history_path(lab), b"".join(orjson.dumps(e, option=orjson.OPT_APPEND_NEWLINE) for e in entries))


def last_changed_times(lab: Path, notebook: Notebook) -> dict[str, float]:
    """Maps each version that has notes to when one of them last changed, seconds since the epoch.

    A note that was edited by hand, which the history does not have, counts as changed with the file.
    """
    try:
        changed = notebook.path.stat().st_mtime
    except OSError:
        changed = time.time()
    known = _latest_states(lab)
    times: dict[str, float] = {}
    for version in notebook.versions.values():
        for name in NOTE_FIELDS:
            text, last = getattr(version, name), known.get((version.name, name))
            unknown = changed if text or last else 0.0
            moment = last.time if last and last.text == text else unknown
            times[version.name] = max(times.get(version.name, 0.0), moment)
    return {version: moment for version, moment in times.items() if moment}


def notes_in(data: Mapping[str, Any]) -> Iterator[NoteText]:
    """Yields the notes in the tables of a notebook; a note that is missing or not a text is ""."""
    versions = data.get("versions")
    for name, table in versions.items() if isinstance(versions, dict) else ():
        for key in NOTE_FIELDS if isinstance(table, dict) else ():
            yield name, key, text if isinstance(text := table.get(key), str) else ""


@dataclass(slots=True)
class _HistoryCache:
    """What has been read of a history: which file, up to which offset, and the latest state of each note."""

    inode: int = -1
    read_up_to: int = 0
    latest: dict[tuple[str, str], NoteState] = field(default_factory=dict)


_caches: dict[Path, _HistoryCache] = {}
_cache_lock = threading.Lock()


def _latest_states(lab: Path) -> dict[tuple[str, str], NoteState]:
    """Maps each note to its latest state. Reads only what was appended since the last call."""
    path = history_path(lab).absolute()
    with _cache_lock:
        known = _caches.setdefault(path, _HistoryCache())
        try:
            stat = path.stat()
        except OSError:
            _caches.pop(path)
            return {}
        if stat.st_ino != known.inode or stat.st_size < known.read_up_to:
            known = _caches[path] = _HistoryCache(stat.st_ino)
        lines = _read_whole_lines(path, known.read_up_to)
        known.read_up_to += len(lines)
        known.latest |= {(state.version, state.field): state for state in parse_states(lines)}
        return dict(known.latest)


def _read_whole_lines(path: Path, start: int) -> bytes:
    """Returns the whole lines of a file from an offset on."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def parse_states(lines: bytes) -> Iterator[NoteState]:
    """Yields the states in lines of a history, in order. A line torn by a crash is skipped."""
    for line in lines.splitlines():
        try:
            entry = orjson.loads(line)
            yield NoteState(str(entry["version"]), str(entry["field"]), float(entry["time"]), str(entry["text"]))
        except (ValueError, KeyError, TypeError):
            continue


def metadata_folder(lab: Path) -> Path:
    """Returns the folder for this program's own files in a lab."""
    return lab / ".imgexp"


def make_metadata_folder(lab: Path) -> None:
    """Makes that folder if it is missing, ignored by git.

    Raises:
        OSError: the lab cannot be written to.
    """
    durable.make_folder(metadata_folder(lab))
    if not (metadata_folder(lab) / ".gitignore").exists():
        with contextlib.suppress(FileExistsError):
            durable.create(metadata_folder(lab) / ".gitignore", b"*\n")


def history_path(lab: Path) -> Path:
    """Returns the path of the history: a JSON object per line, oldest first."""
    return metadata_folder(lab) / "notes.jsonl"


def _append_states(lab: Path, notes: Iterable[NoteText], timestamp: float) -> None:
    make_metadata_folder(lab)
    lines = [
        orjson.dumps({"time": timestamp, "version": v, "field": f, "text": t}, option=orjson.OPT_APPEND_NEWLINE)
        for v, f, t in notes
    ]
    durable.append(history_path(lab), b"".join(lines))
