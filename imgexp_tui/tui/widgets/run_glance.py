"""A run's live numbers: a column beside a text, or one line below it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from imgexp_tui.text import clean_line, duration, fit, number
from imgexp_tui.tui.glance import Glance, Reading

_QUIET = "dim"


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


def column_of(version: str, glance: Glance | None) -> Content:
    """30 cells wide: state, progress, then a row for each metric with its last and best value."""
    if glance is None:
        return Content.styled(f"{version} has no run yet.\nIts numbers will stand here.", _QUIET)
    parts: list[tuple[str, str]] = [(f"{_state(glance)}\n", "bold"), (f"{_progress(glance)}\n", _QUIET)]
    if glance.left is not None:
        parts.append((f"{duration(glance.left)} left\n", _QUIET))
    if glance.readings:
        parts.append((f"\n{'':<14}{'now':>8}{'best':>8}\n", _QUIET))
    for reading in glance.readings:
        parts.append((f"{fit(reading.metric, 14):<14}{number(reading.last):>8}", ""))
        parts.append((f"{_best(reading):>8}\n", "bold"))
    if glance.chance is not None:
        parts.append((f"{'chance (loss)':<14}{number(glance.chance):>8}\n", _QUIET))
    if not glance.live:
        parts.append((f"\n{clean_line(glance.evidence)}", _QUIET))
    return Content.assemble(*parts)


def line_of(glance: Glance | None) -> Content:
    """The same in one line, losses only; what is validated comes first."""
    if glance is None:
        return Content.styled("no run yet", _QUIET)
    losses = [r for r in glance.readings if r.metric.endswith("loss")]
    parts = [_state(glance), _progress(glance), *(f"{r.metric} {number(r.last)} best {_best(r)}" for r in losses[::-1])]
    return Content.styled("  ".join(p for p in parts if p), _QUIET)


def _state(glance: Glance) -> str:
    return f"{'●' if glance.live else '○'} {glance.state}"


def _best(reading: Reading) -> str:
    return "–" if reading.best is None else number(reading.best)


def _progress(glance: Glance) -> str:
    if glance.epoch is None:
        return f"step {glance.step:,}" if glance.step else ""
    return f"epoch {glance.epoch}/{glance.epochs}" if glance.epochs else f"epoch {glance.epoch}"
