"""What the plots of a report show, as plain data: lines thinned to what can be seen, marks, and words.

Drawing is another module's, so that a page can be written, and tested, without a plotting library.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from imgexp_tui.records.metrics.follower import Best, RunView, Series, best_of
from imgexp_tui.text import number

COLUMNS = 600
"""Columns of pixels that a panel has at most; a line keeps the lowest and the highest value of each."""
MOST = 8
"""Most versions that one figure compares; more cannot be told apart by colour."""
_FEW = 60
"""Up to so many points each gets a dot."""
_WIDE = 100.0
"""From this ratio of its highest to its lowest value on, loss is drawn on a log scale."""
_METRICS = ("loss", "accuracy")
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        role: `steps` (every training step, pale), `train`, `valid`, or the number of a version in a comparison.
        points: x and y, x rising; y is nan where the line has a gap.
    """

    label: str
    role: str
    points: Points

    @property
    def dotted(self) -> bool:
        """Whether each point gets a dot."""
        return len(self.points) <= _FEW


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        chance: what guessing reaches; None where nobody said.
        best: where the best epoch lies; None without one.
        said: about the best, in words.
        log: whether the values are drawn on a log scale.
    """

    metric: str
    lines: tuple[Line, ...]
    chance: float | None = None
    best: tuple[float, float] | None = None
    said: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture.

    Attributes:
        name: of its files, without a suffix.
        alt: what it shows, in words.
        axis: what x counts: `epoch` or `step`.
        attempts: where each attempt after the first begins.
    """

    name: str
    alt: str
    axis: str
    panels: tuple[Panel, ...]
    attempts: tuple[float, ...] = ()


def run_figure(name: str, view: RunView) -> Figure | None:
    """Loss and accuracy of a run, in training and validation; None where it has no value of either."""
    axis, per_unit = _axis([view])
    best = view.best()
    panels = tuple(p for metric in _METRICS if (p := _run_panel(view, metric, per_unit, best)))
    if not panels:
        return None
    attempts = tuple(step / per_unit for _, step in sorted(view.attempts.items()))
    said = f": {panels[0].said}" if panels[0].said else ""
    what = " and ".join(panel.metric for panel in panels)
    return Figure(name, f"{what.capitalize()} of {name}, run {view.run}{said}", axis, panels, attempts)


def overview(name: str, views: Mapping[str, RunView]) -> Figure | None:
    """The validation curves of several versions on the same axes; None where fewer than two have one.

    Args:
        views: version → the run that is shown of it, in the notebook's order. Of many, the best are shown.
    """
    found = [(version, view) for version, view in views.items() if _finite(view, "valid/loss")]
    if len(found) < 2:
        return None
    first = sorted(found, key=lambda f: min(_finite(f[1], "valid/loss")))[:MOST]
    shown = [f for f in found if f in first]
    axis, _ = _axis([view for _, view in shown])
    panels = []
    for metric in _METRICS:
        lines = tuple(
            Line(version, str(i), _points(view.series[f"valid/{metric}"], _per_unit(view) if axis == "epoch" else 1))
            for i, (version, view) in enumerate(shown)
            if _finite(view, f"valid/{metric}")
        )
        chances = {_chance(view, metric) for _, view in shown}
        if lines:
            chance = chances.pop() if len(chances) == 1 else None
            panels.append(Panel(f"valid {metric}", lines, chance, log=_log(metric, lines)))
    of = (
        f"the {MOST} best of {len(found)} versions" if len(found) > MOST else ", ".join(version for version, _ in shown)
    )
    return Figure(name, f"Validation curves of {of}", axis, tuple(panels))


def thinned(steps: Sequence[int], values: Sequence[float], columns: int = COLUMNS) -> list[tuple[int, float]]:
    """At most three points for each column of pixels: its lowest and highest value, and a gap where there is one.

    What is not finite becomes a gap. A line that has no more points than can be seen keeps them all.
    """
    if len(steps) <= 2 * columns:
        kept: Iterable[int] = range(len(steps))
    else:
        first, width = steps[0], (steps[-1] - steps[0] + 1) / columns
        ends = [bisect_left(steps, first + i * width) for i in range(1, columns)]
        kept = chain.from_iterable(_extremes(values, *ends_) for ends_ in pairwise([0, *ends, len(steps)]))
    return [(steps[i], values[i] if math.isfinite(values[i]) else math.nan) for i in kept]


def _extremes(values: Sequence[float], start: int, end: int) -> list[int]:
    """Where the lowest, the highest and the first value that is not finite lie, in order."""
    part = values[start:end]
    if len(part) < 2:
        return list(range(start, end))
    if math.isfinite(sum(part)):  # quick, as most are; a sum that overflows only takes the longer way
        return sorted({start + part.index(min(part)), start + part.index(max(part))})
    finite = [i for i in range(start, end) if math.isfinite(values[i])]
    broken = [i for i in range(start, end) if not math.isfinite(values[i])][:1]
    ends = {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)} if finite else set()
    return sorted({*ends, *broken})


def _run_panel(view: RunView, metric: str, per_unit: float, best: Best | None) -> Panel | None:
    lines = tuple(_run_lines(view, metric, per_unit))
    if not lines:
        return None
    mark, said = None, ""
    if best:
        judged = best.metric.partition("/")[2]
        name = f"{best.metric.partition('/')[0]}/{metric}"
        value = best.value if judged == metric else best.beside.get(name)
        if value is not None and math.isfinite(value):
            mark = (best.step / per_unit, value)
            at = f"epoch {best.epoch:g}" if best.epoch is not None else f"step {best.step:,}"
            said = f"best {number(value)} at {at}" if judged == metric else f"{number(value)} at that epoch"
    return Panel(metric, lines, _chance(view, metric), mark, said, _log(metric, lines))


def _run_lines(view: RunView, metric: str, per_unit: float) -> Iterator[Line]:
    means = bool(_finite(view, f"train/epoch_{metric}"))
    for name, label, role in (
        (f"train/{metric}", "train, each step" if means else "train", "steps" if means else "train"),
        (f"train/epoch_{metric}", "train, mean of the epoch", "train"),
        (f"valid/{metric}", "valid", "valid"),
    ):
        if _finite(view, name):
            yield Line(label, role, _points(view.series[name], per_unit))


def _points(series: Series, per_unit: float) -> Points:
    return tuple((step / per_unit, value) for step, value in thinned(series.steps, series.values))


def _finite(view: RunView, name: str) -> list[float]:
    series = view.series.get(name)
    return [v for v in series.values if math.isfinite(v)] if series else []


def _chance(view: RunView, metric: str) -> float | None:
    found = view.chance.get(f"valid/{metric}")
    return found if found is not None and math.isfinite(found) else None


def _axis(views: Sequence[RunView]) -> tuple[str, float]:
    """What x counts, and steps in one of it (of the first run): epochs where every trainer said how long they are."""
    return ("epoch", _per_unit(views[0])) if all(_per_unit(view) > 0 for view in views) else ("step", 1)


def _per_unit(view: RunView) -> float:
    """Steps in an epoch; 0 where nobody said."""
    found = view.plan.get("steps_per_epoch")
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return 0.0
    return max(0.0, float(found))


def _log(metric: str, lines: Sequence[Line]) -> bool:
    values = [y for line in lines for _, y in line.points if not math.isnan(y)]
    return metric == "loss" and min(values) > 0 and max(values) / min(values) > _WIDE


def shown_run(views: Sequence[RunView]) -> RunView | None:
    """The run that a report speaks of: the best, else the first of `views`, the newest."""
    found = best_of(views)
    return found[0] if found else views[0] if views else None
