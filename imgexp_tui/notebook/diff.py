"""Compares a version with its base, and drafts a new version's name and summary from that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgexp_tui.notebook.model import VERSION_NAME, Notebook, Version
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue
from imgexp_tui.text import join_names

if TYPE_CHECKING:
    from imgexp_tui.notebook.ideas.model import Idea

_TRAILING_NUMBER = re.compile(r"(.*?)([0-9]{1,9})")
_BULLET = re.compile(r"([ \t]*)[-*+](?!-)[ \t]*(.*)")
_TODO_WORDS = re.compile(
    r"\?|\b(try|todo|next time|should|could|would|maybe|might|worth|examine|look at|experiment with|add)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting whose value differs between two versions; None where it is not set."""

    name: str
    before: SettingValue | None
    after: SettingValue | None

    def __str__(self) -> str:
        return f"{self.name} {format_value(self.name, self.before)} → {format_value(self.name, self.after)}"


def setting_changes(notebook: Notebook, name: str) -> list[SettingChange]:
    """Returns what a version changes against its base, in the order of the settings; [] without a base."""
    version = notebook.versions[name]
    base = notebook.versions.get(version.base or "")
    if base is None:
        return []
    order = {setting: i for i, setting in enumerate(SETTINGS)}
    names = sorted({*base.train, *version.train}, key=lambda n: (order.get(n, len(order)), n))
    changes = [SettingChange(n, base.train.get(n), version.train.get(n)) for n in names]
    if base.command != version.command:
        changes.insert(0, SettingChange("command", _format_command(base), _format_command(version)))
    return [
        change
        for change in changes
        if _effective_value(base, change.name, change.before) != _effective_value(version, change.name, change.after)
    ]


def format_value(name: str, value: SettingValue | None) -> str:
    """Formats a setting's value for people; its default if it is not set."""
    if value is None:
        value = SETTINGS[name].default if name in SETTINGS else "the shipped trainer" if name == "command" else "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def suggest_version_name(notebook: Notebook, base: str) -> str:
    """Returns the next free number in the style of `base`: V5 → V6, resnet → resnet-2."""
    numbered = _TRAILING_NUMBER.fullmatch(base)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (f"{base}-", 1)
    used_names = {name.lower() for name in notebook.versions}
    same = [m for name in used_names if (m := _TRAILING_NUMBER.fullmatch(name)) and m[1] == stem.lower()]
    number = max([number, *(int(m[2]) for m in same)]) + 1
    name = f"{stem[: 63 - len(str(number))]}{number}"
    while name.lower() in used_names or not VERSION_NAME.fullmatch(name):
        number += 1
        name = f"{stem[: 63 - len(str(number))] if VERSION_NAME.fullmatch(stem + '0') else 'v'}{number}"
    return name


def draft_summary(base: str, changes: Sequence[SettingChange], tried_ideas: Sequence[Idea] = ()) -> str:
    """Drafts a summary from what changes, `Same as v0 but batch_size 64 → 512.`, and from the ideas that are tried.

    A single idea follows on the same line, because tables show the first line; several have a line each.
    """
    first = f"Same as {base} but {join_names([str(change) for change in changes])}." if changes else f"Same as {base}."
    return (" " if len(tried_ideas) == 1 else "\n").join([first, *map(format_tried_idea, tried_ideas)])


def format_tried_idea(idea: Idea) -> str:
    """Formats what a summary says of an idea that its version tries."""
    return f"Tries the idea of {idea.version}: {idea.text}"


def unfinished_bullets(text: str) -> list[str]:
    """Returns the bullets of a note that name something still to be done, with what is nested under them.

    Check boxes are left out: `ideas` lists them. If a bullet names nothing, those nested under it are taken by
    themselves.
    """
    from imgexp_tui.notebook.ideas.model import remove_ideas

    return list(_unfinished_bullets(remove_ideas(text).split("\n")))


def _unfinished_bullets(lines: list[str]) -> Iterator[str]:
    for block in _bullet_blocks(lines):
        bullet = _BULLET.fullmatch(block[0])
        text = bullet[2] if bullet else ""
        if text and _TODO_WORDS.search(text):
            indent = len(bullet[1]) if bullet else 0
            yield "\n".join(line[indent:] if not line[:indent].strip() else line.lstrip() for line in block).rstrip()
        else:
            yield from _unfinished_bullets(block[1:])


def _bullet_blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yields each outermost bullet with the lines that belong to it; lines before the first bullet are left out."""
    indents = [len(m[1].expandtabs(4)) for line in lines if (m := _BULLET.fullmatch(line))]
    block: list[str] = []
    for line in lines:
        bullet = _BULLET.fullmatch(line)
        if bullet and len(bullet[1].expandtabs(4)) == min(indents):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
    if block:
        yield block


def _effective_value(version: Version, name: str, value: SettingValue | None) -> SettingValue | None:
    return SETTINGS[name].default if value is None and not version.command and name in SETTINGS else value


def _format_command(version: Version) -> str | None:
    return shlex.join(version.command) if version.command else None
