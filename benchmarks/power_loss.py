"""What a power cut could leave of files, from a record of the calls that wrote them (`tests/native/recorder.c`).

The model is stricter than any one file system: data that was not synced is there, is not there, is half there or is
zeroes; names that were made, moved or removed in a folder since its last sync are so up to any one of these changes,
each folder for itself. The sync of a file does not make its name durable.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FOLDER = -1
_NAMING = ("create", "mkdir", "rename", "exchange", "link", "unlink")


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded change.

    Attributes:
        number: which file: a number of its own even where the file system used an inode again; 0 for folders.
        path, second: below the recorded folder.
    """

    name: str
    number: int
    path: str
    second: str = ""
    data: bytes = b""

    @property
    def folder(self) -> str:
        """Of the name that it changes; what it syncs."""
        return self.path if self.name == "fsync" else os.path.dirname(self.path)  # noqa: PTH120


def calls(log: Path, under: Path) -> list[Call]:
    """The calls of a record, and its marks, which the recorded program adds as calls of the name "mark"."""
    raw, found, numbers, fresh = log.read_bytes(), [], {}, itertools.count(1)
    prefix = f"{under}/"
    while raw:
        line, _, raw = raw.partition(b"\n")
        name, inode, path, second, size = os.fsdecode(line).split("\t")
        data = b""
        if name == "write":
            data, raw = raw[: int(size)], raw[int(size) :]
        if name == "create":
            numbers[inode] = next(fresh)
        is_file = name in ("create", "write", "truncate") or (name == "fsync" and size != "-1")
        number = numbers.get(inode, -int(inode)) if is_file else 0
        if name == "mkdir":
            numbers.pop(inode, None)
        if f"{path}/".startswith(prefix) or name == "mark":
            inside = path.removeprefix(prefix) if path != os.fspath(under) else ""
            found.append(Call(name, number, inside, second.removeprefix(prefix), data))
    return found


@dataclass(slots=True)
class _Disk:
    """A tree of files at one moment: names, and the data of files."""

    names: dict[str, int] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)


def scan(under: Path) -> _Disk:
    """The tree before the recording; all of it counts as synced."""
    disk = _Disk()
    for path in under.rglob("*"):
        inside = os.fspath(path.relative_to(under))
        if path.is_dir():
            disk.names[inside] = _FOLDER
        else:
            disk.names[inside] = -path.stat().st_ino
            disk.data[disk.names[inside]] = path.read_bytes()
    return disk


def states(before: _Disk, made: list[Call]) -> Iterator[dict[str, bytes | None]]:
    """Path → data (None for a folder) of every state that a power cut after all of `made` could leave."""
    synced, whole = dict(before.data), dict(before.data)
    durable: dict[str, int] = {}
    for index, call in enumerate(made):
        if call.name == "create":
            synced[call.number] = whole[call.number] = b""
        elif call.name == "truncate":
            whole[call.number] = b""
        elif call.name == "write":
            whole[call.number] = whole.get(call.number, b"") + call.data
        elif call.name == "fsync" and call.number:
            synced[call.number] = whole[call.number]
        elif call.name == "fsync":
            durable[call.path] = index
    loose: dict[str, list[int]] = {}
    for index, call in enumerate(made):
        if call.name in _NAMING and index > durable.get(call.folder, -1):
            loose.setdefault(call.folder, []).append(index)
    unsynced = [number for number in whole if whole[number] != synced[number]]
    for cuts in itertools.product(*(range(len(changes) + 1) for changes in loose.values())):
        dropped = {index for changes, cut in zip(loose.values(), cuts, strict=True) for index in changes[cut:]}
        names = _named(before.names, [c for i, c in enumerate(made) if i not in dropped])
        for contents in itertools.product(*(_torn(synced[n], whole[n]) for n in unsynced)):
            data = {**whole, **dict(zip(unsynced, contents, strict=True))}
            yield {p: None if n == _FOLDER else data[n] for p, n in names.items() if _reachable(p, names)}


def _torn(synced: bytes, whole: bytes) -> tuple[bytes, ...]:
    start = synced if whole.startswith(synced) else b""
    added = whole[len(start) :]
    half = start + added[: len(added) // 2]
    return tuple(dict.fromkeys((synced, whole, half, start + bytes(len(added)))))


def _named(names: dict[str, int], made: list[Call]) -> dict[str, int]:
    names = dict(names)
    for call in made:
        if call.name in ("create", "mkdir"):
            names[call.path] = call.number or _FOLDER
        elif call.name == "unlink":
            names.pop(call.path, None)
        elif call.path not in names:
            continue
        elif call.name == "rename":
            names[call.second] = names.pop(call.path)
        elif call.name == "link":
            names[call.second] = names[call.path]
        elif call.name == "exchange" and call.second in names:
            names[call.path], names[call.second] = names[call.second], names[call.path]
    return names


def _reachable(path: str, names: dict[str, int]) -> bool:
    return all(names.get(os.fspath(folder)) == _FOLDER for folder in list(Path(path).parents)[:-1])


def lay_out(under: Path, state: dict[str, bytes | None]) -> None:
    """Make `under` hold exactly `state`."""
    shutil.rmtree(under)
    under.mkdir()
    for path, data in sorted(state.items()):
        if data is None:
            (under / path).mkdir(exist_ok=True)
        else:
            (under / path).write_bytes(data)
