"""Immutable data of the main screen: a snapshot of the lab, with one row per version.

The polling thread builds it and the screen draws it. Equal snapshots draw the same screen, so the app compares them to
decide whether to redraw. A new value for the table of versions gets its field in `VersionRow`.
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
    """The values of a version's runs in the table of versions.

    Attributes:
        state: state of the displayed run: the newest that is running, else the newest queued one, else the newest; ""
            without a run.
        live, queued: number of its live runs, and how many of those are queued.
        seed_progress: how many runs of the displayed run's seed group have ended, and how many there are; None without
            a group.
        seed_stats: mean, sample standard deviation and count of that group's best values; None for fewer than two.
        metric, best, accuracy: the judged metric of the displayed run, its best value, and the accuracy recorded with
            it; "" and None without.
        judge, goal: the metric that judges the version's runs, and which of its values are better; `metric` is another
            one where a run has not recorded it.
        unit: how values of `metric` are written.
        is_from_other_run: whether these values come from the version's best other run, because the displayed one has
            none yet.
        best_metrics: metrics and values recorded with the best value of all the version's runs, the judged metric
            first.
        epoch, epochs: current and planned epochs of the displayed run.
        sparkline: thinned judged metric of the displayed run.
        displayed_run: id of the displayed run; ids sort by time.
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
    judge: str = ""
    goal: str = ""
    unit: str = ""
    notes_changed: float | None = None


@dataclass(frozen=True, slots=True)
class LogLines:
    """The last lines of a run's output, cleaned."""

    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabSnapshot:
    """The state of the lab at one moment.

    Attributes:
        notebook: the notebook as last read; None where it cannot be read, and `problem` says why.
        problem: a sentence about what is wrong; "" if nothing is.
        rows: version → its row; versions that were not read yet are missing.
        live_versions: the versions with a live run.
        displayed_version: the version that `run` and `log` belong to.
        run: the version's newest live run, else its newest; None without a run.
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
