"""What the main screen shows, as immutable plain data: the polling thread makes it, the screen draws it.

Two equal looks draw the same, so that comparing them tells whether anything is to be sent to the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgexp_tui.notebook.model import Notebook
    from imgexp_tui.views.machine.model import Machine
    from imgexp_tui.views.runs.model import RunSummary


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version's runs in one line of the table.

    Attributes:
        state: of its shown run, the newest that is under way or else waits, or else the newest; "" where it has none.
        live, queued: how many of its runs are live, and how many of those wait.
        seed_progress: where the shown run is one of several seeds: how many of those have ended, and how many there
            are.
        seed_stats: mean, sample standard deviation and count of that group's best values; None for fewer than two.
        metric, best, accuracy: the best of the shown run and the accuracy of that same line; "" and None without.
        is_from_other_run: the shown run has none yet, so that these are of another run, the best of them.
        best_metrics: metric → its value on the best line of all the version's runs, the judged metric first.
        epoch, epochs: where the shown run stands.
        sparkline: the shown run's valid/loss (train/loss without), thinned.
        displayed_run: id of the shown run; ids sort by time.
        notes_changed: when its notes last changed, seconds since the epoch.
    """

    state: str = ""
    live: int = 0
    queued: int = 0
    seed_progress: tuple[int, int] | None = None
    seed_stats: tuple[float, float, int] | None = None
    metric: str = ""
    best: float | None = None
    accuracy: float | None = None
    is_from_other_run: bool = False
    best_metrics: tuple[tuple[str, float], ...] = ()
    epoch: int | None = None
    epochs: int | None = None
    sparkline: tuple[float, ...] = ()
    runs: int = 0
    displayed_run: str = ""
    notes_changed: float | None = None


@dataclass(frozen=True, slots=True)
class LogLines:
    """The last lines of a run's output, cleaned."""

    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabSnapshot:
    """One look at the lab.

    Attributes:
        notebook: as it was last read; None where it cannot be read, which `problem` then tells.
        problem: a sentence; "" where all is well.
        rows: version → its row; versions that were not looked at yet are missing.
        live_versions: the versions with a live run.
        displayed_version: the version that `run` and `log` belong to.
        run: its newest live run, or else its newest; None without.
        drafts: versions with unsaved drafts.
    """

    notebook: Notebook | None
    problem: str = ""
    rows: dict[str, VersionRow] = field(default_factory=dict)
    live_versions: tuple[str, ...] = ()
    displayed_version: str = ""
    run: RunSummary | None = None
    log: LogLines = LogLines()
    machine: Machine | None = None
    drafts: frozenset[str] = frozenset()
