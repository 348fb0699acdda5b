"""What a notebook is: versions with their notes and configuration, and what is wrong with them. Plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.schema.resources import Resources
from imgexp_tui.notebook.schema.settings import SettingValue, default_settings
from imgexp_tui.text import clean_line

VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a version may be called; it is the name of a folder too."""
TAG = re.compile(r"\w[\w.+/-]{0,31}")
"""A word by which versions are found: letters, digits and a few signs."""
NOTE_FIELDS = ("summary", "takeaways", "observed")
"""The notes of a version."""


class NotebookError(Exception):
    """One sentence for the user: what could not be done with the notebook, and the mend."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    Attributes:
        line: 1-based.
        path: the key, such as `versions.v3.train.dropout`; "" for the file as a whole.
        message: what is wrong and the mend.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path + ': ' if self.path else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Version:
    """One version. A broken one is here too, with what could be read of it.

    Attributes:
        own_train: its `[train]`, without what is wrong in it.
        train: `[defaults]` ← bases ← own.
        command: argv with {placeholders} that runs in place of the shipped trainer, maybe inherited; None without.
        resources: what its run needs of a machine, its own or inherited.
        group: the banner under which it was imported; "" without.
        tags: words by which it is found; its own, never inherited.
        archived: out of the way: hidden in the table, and all there otherwise.
        line: of its header.
        problems: its own, and those of `[defaults]` and of its bases, which it inherits.
        runnable: whether none of the problems touches what would be run.
    """

    name: str
    base: str | None = None
    summary: str = ""
    takeaways: str = ""
    observed: str = ""
    own_train: dict[str, SettingValue] = field(default_factory=dict)
    train: dict[str, SettingValue] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    resources: Resources = field(default_factory=Resources)
    group: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    line: int = 1
    problems: tuple[Problem, ...] = ()
    runnable: bool = True

    @property
    def config(self) -> dict[str, SettingValue]:
        """Every setting, resolved; for a `command` its own values only."""
        return dict(self.train) if self.command else {**default_settings(), **self.train}


def tags_error(value: object) -> str | None:
    """What is wrong with a version's tags; None where nothing is."""
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        return 'must be an array of words, such as ["baseline", "seed"]'
    odd = next((tag for tag in value if not TAG.fullmatch(tag)), None)
    if odd is None:
        return None
    told = clean_line(odd)[:40] or "an empty text"
    return f"{told} is no tag; take a word of letters, digits, _ . + / or -, at most 32 long, that starts with a letter"


@dataclass(frozen=True, slots=True)
class Notebook:
    """`experiments.toml` as it was read.

    Attributes:
        path: the file.
        lab: its folder.
        lab_settings: `[lab]` without the title.
        defaults: `[defaults]` without `command`.
        versions: name → version, in the file's order.
        problems: every problem of the file, by line.
    """

    path: Path
    lab: Path
    title: str
    lab_settings: dict[str, Any]
    defaults: dict[str, SettingValue]
    versions: dict[str, Version]
    problems: tuple[Problem, ...]
