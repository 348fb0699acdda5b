"""What the main screen and its controllers share: the newest snapshot of the lab, the filter, and the watcher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.services.version_filter import VersionFilter
from imgexp_tui.views.lab import LabSnapshot

if TYPE_CHECKING:
    from imgexp_tui.services.lab_watcher import LabWatcher


class MainState:
    """The state of one main screen.

    Attributes:
        lab: the lab's folder.
        snapshot: the lab as the watcher last read it.
        version_filter: which of the snapshot's versions the table shows.
        watcher: reads the lab in a thread; None until the panes are mounted.
        were_live: versions with a run that was live at some time since the app was opened.
    """

    def __init__(self, lab: Path, snapshot: LabSnapshot) -> None:
        self.lab = lab
        self.snapshot = snapshot
        self.version_filter = VersionFilter()
        self.watcher: LabWatcher | None = None
        self.were_live: set[str] = set()
