"""What the main screen does to versions as things. Plain functions that block; the screen calls them in threads.

Each returns a sentence for the user, or raises `DeedError` with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError, Version, tags_error
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.text import join_names


def rename(lab: Path, old: str, new: str) -> str:
    """Give a version another name; its runs follow."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.rename_version(lab, old, new)
    return f"{old} is {new} now, its runs too; what notes say of it stays as it was written."


def archive(lab: Path, name: str, *, archived: bool) -> str:
    """Put a version out of the way, or bring it back."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.set_archived(lab, name, archived=archived)
    return f"{name} is archived: A shows it, and nothing of it is deleted." if archived else f"{name} is back."


def set_tags(lab: Path, version: Version, tags: list[str]) -> str:
    """Give a version these tags."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.set_tags(lab, version, tags)
    return ""


def move(lab: Path, name: str, target_version: str) -> str:
    """Put a version in the place of another one. Nothing is said: it shows."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.move_version(lab, name, target_version)
    return ""


def deletion_obstacle(lab: Path, version: Version, others: list[Version]) -> str:
    """Why a version cannot be deleted, as a sentence; "" where it can."""
    from imgexp_tui.runner.version_folders import reason_not_deletable

    if ran := reason_not_deletable(lab, version.name):
        return f"{ran} (v, a)."
    children = [other.name for other in others if other.base == version.name]
    if not children:
        return ""
    build = "builds" if len(children) == 1 else "build"
    return f"{join_names(children)} {build} on {version.name}, so that it stays; it can be archived (v, a)."


def describe_deletion(version: Version) -> str:
    """What would go with a version that is deleted, as a sentence."""
    parts = []
    for name in NOTE_FIELDS:
        if lines := len(getattr(version, name).split("\n")) if getattr(version, name).strip() else 0:
            parts.append(f"its {name} ({lines} line{'s' if lines > 1 else ''})")
    if version.own_train:
        parts.append(f"{len(version.own_train)} setting{'s' if len(version.own_train) > 1 else ''}")
    if not parts:
        return "Nothing is noted of it."
    kept = " The history keeps its notes." if any(getattr(version, name).strip() for name in NOTE_FIELDS) else ""
    return f"With it go {join_names(parts)}.{kept}"


def delete(lab: Path, name: str) -> str:
    """Take a version that never ran out of the notebook."""
    from imgexp_tui.runner import version_folders

    with _raising_action_errors():
        version_folders.delete_version(lab, name)
    return f"{name} is deleted."


def parse_tags(text: str) -> list[str]:
    """The tags that were typed, apart by blanks or commas."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def tags_problem(text: str) -> str:
    """What is wrong with them, as a sentence; "" where nothing is."""
    fault = tags_error(parse_tags(text))
    return f"{fault}." if fault else ""


@contextmanager
def _raising_action_errors() -> Iterator[None]:
    try:
        yield
    except NotebookError as error:
        raise ActionError(f"{error}.") from None
