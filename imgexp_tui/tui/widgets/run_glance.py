"""A run's live numbers: a column beside a text, or one line below it."""

from __future__ import annotations

import math

from rich.text import Text
from textual.widgets import Static

from imgexp_tui.text import clean_line, duration, fit, number
from imgexp_tui.tui.glance import Glance, Reading


class RunGlance(Static):
    """Shows a `Glance`. Drawn anew only when something changed, so that a still screen sends nothing."""

    def __init__(self, version: str, *, line: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._version = version
        self._line = line
        self._shown: Glance | None = None
        self._told = False

    def tell(self, glance: Glance | None) -> None:
        """Show `glance`; None stands for a version without runs."""
        if self._told and glance == self._shown:
            return
        self._shown, self._told = glance, True
        self.update(line_of(glance) if self._line else column_of(self._version, glance))


def column_of(version: str, glance: Glance | None) -> Text:
    """About 28 cells wide: state, progress, then a row for each metric with its last and best value."""
    if glance is None:
        return Text.assemble((f"{version} has no run yet.\n\n", "dim"), ("Its numbers will stand here.", "dim"))
    out = Text()
    out.append(f"{'●' if glance.live else '○'} {glance.state}\n", "bold")
    out.append(f"{_progress(glance)}\n", "dim")
    if glance.left is not None:
        out.append(f"{duration(glance.left)} left\n", "dim")
    if glance.readings:
        out.append(f"\n{'':<15}{'now':>7}{'best':>8}\n", "dim")
    for reading in glance.readings:
        best = "" if reading.best is None else number(reading.best)
        out.append(f"{fit(reading.metric, 15):<15}{number(reading.last):>7}")
        out.append(f"{best:>8}\n", "bold")
    if glance.chance is not None:
        out.append(f"{'chance (loss)':<15}{number(glance.chance):>7}\n", "dim")
    if not glance.live:
        out.append(f"\n{clean_line(glance.evidence)}", "dim")
    return out


def line_of(glance: Glance | None) -> Text:
    """The same in one line, losses only."""
    if glance is None:
        return Text("no run yet", "dim")
    parts = [f"{'●' if glance.live else '○'} {glance.state}", _progress(glance)]
    parts += [_short(r) for r in glance.readings if r.metric.endswith("loss")]
    return Text("  ".join(p for p in parts if p), "dim", no_wrap=True, overflow="ellipsis")


def _short(reading: Reading) -> str:
    best = "" if reading.best is None or not math.isfinite(reading.best) else f" (best {number(reading.best)})"
    return f"{reading.metric} {number(reading.last)}{best}"


def _progress(glance: Glance) -> str:
    if glance.epoch is None:
        return f"step {glance.step:,}" if glance.step else ""
    of = f"/{glance.epochs}" if glance.epochs else ""
    step = f", step {glance.step:,}" if glance.step else ""
    return f"epoch {glance.epoch}{of}{step}"
