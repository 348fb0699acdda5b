"""Performs the actions on versions: rename, archive, tag, move, delete.

The functions block: call them in threads. Each returns a sentence for the user, or raises `ActionError` with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError, Version, tags_error
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.text import join_names


def rename(lab: Path, old: str, new: str) -> str:
    """Rename a version, with its runs."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.rename_version(lab, old, new)
    return f"{old} is {new} now, its runs too; what notes say of it stays as it was written."


def archive(lab: Path, name: str, *, archived: bool) -> str:
    """Archive a version, or restore it from the archive."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.set_archived(lab, name, archived=archived)
    return f"{name} is archived: A shows it, and nothing of it is deleted." if archived else f"{name} is back."


def set_tags(lab: Path, version: Version, tags: list[str]) -> str:
    """Replace the tags of a version. Returns "": the screen shows the change."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.set_tags(lab, version, tags)
    return ""


def move(lab: Path, name: str, target_version: str) -> str:
    """Move a version to the place of another one. Returns "": the screen shows the change."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.move_version(lab, name, target_version)
    return ""


def deletion_obstacle(lab: Path, version: Version, others: list[Version]) -> str:
    """Why a version cannot be deleted, as a sentence; "" if it can be."""
    from imgexp_tui.runner.version_folders import reason_not_deletable

    if ran := reason_not_deletable(lab, version.name):
        return f"{ran} (v, a)."
    children = [other.name for other in others if other.base == version.name]
    if not children:
        return ""
    build = "builds" if len(children) == 1 else "build"
    return f"{join_names(children)} {build} on {version.name}, so that it stays; it can be archived (v, a)."


def describe_deletion(version: Version) -> str:
    """What would be deleted with a version, as a sentence."""
    parts = []
    for name in NOTE_FIELDS:
        if lines := len(getattr(version, name).split("\n")) if getattr(version, name).strip() else 0:
            parts.append(f"its {name} ({lines} line{'s' if lines > 1 else ''})")
    if version.own_train:
        parts.append(f"{len(version.own_train)} setting{'s' if len(version.own_train) > 1 else ''}")
    if not parts:
        return "Nothing is noted of it."
    history_hint = (
        " The history keeps its notes." if any(getattr(version, name).strip() for name in NOTE_FIELDS) else ""
    )
    return f"With it go {join_names(parts)}.{history_hint}"


def delete(lab: Path, name: str) -> str:
    """Delete a version that never ran from the notebook."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.delete_version(lab, name)
    return f"{name} is deleted."


def parse_tags(text: str) -> list[str]:
    """Parse typed tags, separated by blanks or commas."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def tags_problem(text: str) -> str:
    """What is wrong with typed tags, as a sentence; "" if nothing is."""
    fault = tags_error(parse_tags(text))
    return f"{fault}." if fault else ""


@contextmanager
def _raising_action_errors() -> Iterator[None]:
    try:
        yield
    except NotebookError as error:
        raise ActionError(f"{error}.") from None
