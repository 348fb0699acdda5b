"""Reads the notebook for the first frame and every later poll: no run, no gauge, nothing slow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.findings import rules
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import Notebook, NotebookError
from imgexp_tui.paths import NOTEBOOK


@dataclass(frozen=True, slots=True)
class LoadedNotebook:
    """A notebook as it was read from its file.

    Attributes:
        notebook: None where it cannot be read.
        problem: why it cannot be read; "" where it can.
        stamp: of the file, from before it was read, so that a change meanwhile is noticed.
    """

    notebook: Notebook | None
    problem: str
    stamp: tuple[int, int, int]


class CurrentNotebook:
    """The notebook of a lab as of now, read again only where its file has changed. Not safe for threads."""

    def __init__(self, lab: Path) -> None:
        self._lab = lab
        self._stamp: tuple[int, int, int] | None = None
        self._notebook: Notebook | None = None

    def read(self) -> Notebook | None:
        """The notebook; as it was read before where it cannot be read now, and None where it never could."""
        if notebook_stamp(self._lab) != self._stamp:
            result = read_notebook(self._lab)
            self._stamp, self._notebook = result.stamp, result.notebook or self._notebook
        return self._notebook


def load_checked(lab: Path) -> Notebook:
    """Reads the notebook of a lab and checks the names in `[lab] findings_off` against those of the finding rules.

    Raises:
        NotebookError: the file is missing or cannot be read.
    """
    return load_notebook(lab, rules.names())


def read_notebook(lab: Path) -> LoadedNotebook:
    """The notebook of a lab as of now."""
    stamp = notebook_stamp(lab)
    try:
        return LoadedNotebook(load_checked(lab), "", stamp)
    except NotebookError as error:
        return LoadedNotebook(None, str(error), stamp)


def notebook_stamp(lab: Path) -> tuple[int, int, int]:
    """A value that changes when the notebook's file is edited, replaced or removed."""
    try:
        stat = (lab / NOTEBOOK).stat()
    except OSError:
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
