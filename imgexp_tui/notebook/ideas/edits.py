"""Ticks and unticks ideas in `experiments.toml`, and adds versions that try them.

A tick edits a note through `saving.save.rewrite_notebook`, but the idea is searched for in the text that is there at
the moment of writing. So nothing needs to be merged, and it cannot conflict with others' edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from imgexp_tui.notebook.ideas import model
from imgexp_tui.notebook.ideas.model import Idea
from imgexp_tui.notebook.model import VERSION_NAME, NotebookError
from imgexp_tui.notebook.saving.save import add_version, rewrite_notebook
from imgexp_tui.notebook.schema.settings import SettingValue
from imgexp_tui.notebook.toml import edit


def tick_idea(lab: Path, idea: Idea, tried_in: str = "") -> None:
    """Ticks an open idea, with the version in which it was tried; "" leaves that out.

    Raises:
        NotebookError: nothing was written, and why.
    """
    if tried_in and not VERSION_NAME.fullmatch(tried_in):
        raise NotebookError(f"{tried_in!r} is no name for a version")

    def change(source: str) -> str:
        note = edit.read_note(source, idea.version, idea.field)
        current = _find_or_raise(note, idea)
        if current.done:
            reason = f", tried in {current.tried_in}" if current.tried_in else ""
            raise NotebookError(f"this idea of {idea.version} is ticked already{reason}")
        return edit.set_note(source, idea.version, idea.field, model.tick_in_note(note, [current], tried_in))

    rewrite_notebook(lab, change)


def untick_idea(lab: Path, idea: Idea) -> None:
    """Opens an idea again and removes where it was tried.

    Raises:
        NotebookError: nothing was written, and why.
    """

    def change(source: str) -> str:
        note = edit.read_note(source, idea.version, idea.field)
        current = _find_or_raise(note, idea)
        if not current.done:
            return source
        return edit.set_note(source, idea.version, idea.field, model.untick_in_note(note, current))

    rewrite_notebook(lab, change)


def add_version_trying(
    lab: Path,
    name: str,
    tried_ideas: Sequence[Idea],
    *,
    base: str | None,
    summary: str = "",
    takeaways: str = "",
    train: Mapping[str, SettingValue] | None = None,
) -> list[Idea]:
    """Adds a version that tries ideas of others, and ticks these in the same write.

    Returns:
        The ideas that were not ticked: they do not exist any more, or were ticked meanwhile.

    Raises:
        NotebookError: nothing was written, and why.
    """
    missed: list[Idea] = []

    def also(source: str) -> str:
        missed.clear()
        for (version, field), note_ideas in _group_by_note(tried_ideas).items():
            note = edit.read_note(source, version, field)
            current = [model.find_in_note(note, idea) for idea in note_ideas]
            open_ones = [one for one in current if one and not one.done]
            missed.extend(idea for idea, one in zip(note_ideas, current, strict=True) if one not in open_ones)
            if open_ones:
                source = edit.set_note(source, version, field, model.tick_in_note(note, open_ones, name))
        return source

    add_version(lab, name, base=base, summary=summary, takeaways=takeaways, train=train, extra_change=also)
    return missed


def _find_or_raise(note: str, idea: Idea) -> Idea:
    current = model.find_in_note(note, idea)
    if current is None:
        raise NotebookError(f"this idea is not in the {idea.field} of {idea.version} any more; it was edited meanwhile")
    return current


def _group_by_note(tried_ideas: Sequence[Idea]) -> dict[tuple[str, str], list[Idea]]:
    notes: dict[tuple[str, str], list[Idea]] = {}
    for idea in tried_ideas:
        notes.setdefault((idea.version, idea.field), []).append(idea)
    return notes
