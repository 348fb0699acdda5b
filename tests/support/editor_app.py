"""The smallest app around the note's editor, in the test's process and as a program of its own."""

from __future__ import annotations

from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from imgexp_tui import paths
from imgexp_tui.tui.screens.editor import EditorScreen
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.run_sidebar import RunSidebar
from imgexp_tui.views.styled import plain_text
from tests.helpers import until

TRIAL = """\
# kept as it is
[lab]
title = "Trial"   # and this

[versions.v0]
summary = '''First.'''
takeaways = '''
-bs of 64 could be bigger
'''
[versions.v0.train]
batch_size = 64

[versions.v1]
base = "v0"
summary = "Same as v0 [/] but\\u001b[31m odd"
"""
"""A notebook to edit."""
PROGRAM = """\
import sys
from pathlib import Path
from textual.screen import Screen
from imgexp_tui.tui import app
from imgexp_tui.tui.screens.editor import EditorScreen

class Host(app.LabApp):
    def get_default_screen(self):
        return Screen()

    def on_mount(self):
        self.push_screen(EditorScreen(self._lab, "v0"), lambda _: self.exit())

app.LabApp = Host
sys.exit(app.run(Path(sys.argv[1])))
"""
"""`python PROGRAM LAB`: the editor on v0; the app ends with it."""


class EditorApp(App[None]):
    """
    Attributes:
        back: what the editor handed back, once it is closed.
    """

    def __init__(self, lab: Path, version: str = "v0", field: str = "takeaways") -> None:
        super().__init__()
        self.editor = EditorScreen(lab, version, field)
        self.back: list[str | None] = []

    def on_mount(self) -> None:
        self.push_screen(self.editor, self.back.append)

    @property
    def area(self) -> NoteArea:
        area = self.editor.focused
        assert isinstance(area, NoteArea)
        return area

    def told(self, id: str) -> str:
        return str(self.editor.query_one(id, Static).render())

    def shown(self, id: str) -> str:
        return "\n".join(plain_text(line) for line in self.editor.query_one(id, RunSidebar).lines)


async def opened(pilot: Pilot[None], app: EditorApp) -> None:
    await until(pilot, lambda: app.screen is app.editor and not app.area.read_only, "the editor")


def file(lab: Path) -> str:
    """What the notebook's file holds."""
    return (lab / paths.NOTEBOOK).read_bytes().decode()
