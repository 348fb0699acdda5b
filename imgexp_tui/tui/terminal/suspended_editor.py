"""Runs the user's own editor in the app's terminal, with the app suspended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from imgexp_tui.services.notes import external_editor
from imgexp_tui.services.notes.external_editor import ExternalEditorError


def edit_in_terminal(app: App[Any], argv: list[str], path: Path) -> None:
    """Run the editor command `argv` on a file, and return when it has ended.

    Raises:
        ExternalEditorError: the editor failed, or the terminal cannot be handed over.
    """
    problem = None
    try:
        with app.suspend():
            # Textual does not resume after an exception, so that none may leave this block.
            try:
                external_editor.run_editor(argv, path)
            except ExternalEditorError as error:
                problem = error
    except SuspendNotSupported:
        problem = ExternalEditorError("This terminal cannot be lent to an editor.")
    if problem:
        raise problem
