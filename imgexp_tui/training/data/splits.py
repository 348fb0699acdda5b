"""Splits image files into training and validation, and takes their classes from their folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_TRAIN_FOLDERS = ("train", "training")
_VALID_FOLDERS = ("valid", "val", "validation", "test")
"""Folder names of an existing split; the first one that is found is used."""

_Paths = dict[str, list[str]]
"""File name → the parts of its path below the folders that all files share."""


@dataclass(frozen=True, slots=True)
class LabelledFiles:
    """One half of a split: file names, and for each the index of its class in `FileSplit.classes`."""

    names: list[str]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class FileSplit:
    """Both halves. `classes` is empty, and every label 0, if the images are not in sub-folders."""

    train: LabelledFiles
    valid: LabelledFiles
    classes: list[str]


def split_files(names: Sequence[str], valid_fraction: float) -> FileSplit:
    """Split `names`, paths such as `set/train/cat/1.jpg`, into two halves; at least two names are needed.

    Folders that all names share are ignored. An existing split (`train` and one of `valid`, `val`, `validation` or
    `test`) is used. Without one, the hash of a name decides its half, so that adding images later does not move any
    other. The next folder is the class.
    """
    folders = [PurePosixPath("/", name).parent for name in names]
    shared = len(PurePosixPath(os.path.commonpath(folders)).parts) - 1
    paths = {name: name.split("/")[shared:] for name in names}
    train, valid = _existing_split(paths) or _split_by_hash(paths, valid_fraction)
    both = train | valid
    classes = sorted({p[0] for p in both.values()}) if all(len(p) > 1 for p in both.values()) else []
    return FileSplit(_label_files(train, classes), _label_files(valid, classes), classes)


def _existing_split(paths: _Paths) -> tuple[_Paths, _Paths] | None:
    folders = {p[0].lower() for p in paths.values() if len(p) > 1}
    train, valid = (next((f for f in known if f in folders), None) for known in (_TRAIN_FOLDERS, _VALID_FOLDERS))
    if not (train and valid):
        return None
    halves = [{n: p[1:] for n, p in paths.items() if len(p) > 1 and p[0].lower() == side} for side in (train, valid)]
    return halves[0], halves[1]


def _split_by_hash(paths: _Paths, valid_fraction: float) -> tuple[_Paths, _Paths]:
    fractions = {name: _hash_fraction(name) for name in paths}
    first, *_, last = sorted(paths, key=fractions.__getitem__)
    valid = {name for name in paths if fractions[name] < valid_fraction}
    valid = (valid | {first}) - {last}  # so that a tiny set has both halves too
    return {n: p for n, p in paths.items() if n not in valid}, {n: p for n, p in paths.items() if n in valid}


def _hash_fraction(name: str) -> float:
    """A number in [0, 1) that depends on `name` only."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=7).digest()) / (1 << 56)


def _label_files(paths: _Paths, classes: list[str]) -> LabelledFiles:
    index = {name: i for i, name in enumerate(classes)}
    return LabelledFiles(list(paths), [index.get(p[0], 0) for p in paths.values()])
