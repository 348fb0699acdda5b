"""Reads the notebook for the first frame: no run, no gauge, nothing that is slow."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.notebook.load import load
from imgexp_tui.notebook.model import Notebook, NotebookError


def opened(lab: Path) -> tuple[Notebook | None, str]:
    """The notebook, or None and why it cannot be read."""
    try:
        return load(lab), ""
    except NotebookError as error:
        return None, str(error)
