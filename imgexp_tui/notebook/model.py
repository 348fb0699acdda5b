"""What a parsed notebook is: `Notebook`, `Version`, `Problem`. Plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.schema.resources import Resources
from imgexp_tui.notebook.schema.settings import SettingValue, default_settings
from imgexp_tui.text import clean_line

VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION_NAME_RULE = "takes letters, digits, '.', '_' and '-', starts with a letter or digit and is at most 64 long"
"""What a version may be called, and the same in words; the name is also that of its folder in `runs/`."""
TAG = re.compile(r"\w[\w.+/-]{0,31}")
"""A tag of a version: letters, digits and a few other characters."""
NOTE_FIELDS = ("summary", "takeaways", "observed")
"""The notes of a version, as keys of its table."""


class NotebookError(Exception):
    """What could not be done with the notebook and how to fix it, as one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong in a file.

    Attributes:
        line: 1-based.
        path: the key, such as `versions.v3.train.dropout`; "" for the file as a whole.
        message: what is wrong and how to fix it.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path + ': ' if self.path else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Version:
    """One version. A version with problems is kept, with what could be read of it.

    Attributes:
        own_train: its own `[train]` settings, without invalid ones.
        train: settings resolved from `[defaults]`, then the bases, then its own.
        command: argv with {placeholders} that runs in place of the shipped trainer, own or inherited; None without.
        resources: what its run needs of a machine, own or inherited.
        group: the banner under which it was imported; "" without.
        tags: its own tags; they are not inherited.
        archived: whether the table hides it.
        judge: the metric that judges its runs, its own or inherited; "" for the default (valid/loss, else train/loss).
        line: of its header, 1-based.
        problems: its own, and the inherited ones of `[defaults]` and of its bases.
        runnable: whether no problem affects what would be run.
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
    judge: str = ""
    line: int = 1
    problems: tuple[Problem, ...] = ()
    runnable: bool = True

    @property
    def config(self) -> dict[str, SettingValue]:
        """Every setting, resolved; for a `command` only the settings that the notebook states."""
        return dict(self.train) if self.command else {**default_settings(), **self.train}


def tags_error(value: object) -> str | None:
    """Returns what is wrong with a version's tags; None if they are valid."""
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        return 'must be an array of words, such as ["baseline", "seed"]'
    odd = next((tag for tag in value if not TAG.fullmatch(tag)), None)
    if odd is None:
        return None
    word = clean_line(odd)[:40] or "an empty text"
    return f"{word} is no tag; take a word of letters, digits, _ . + / or -, at most 32 long, that starts with a letter"


@dataclass(frozen=True, slots=True)
class Notebook:
    """The parsed `experiments.toml`.

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
