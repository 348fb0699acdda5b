"""Computes what the plots of an exported page show, as plain data: thinned lines, marks and texts.

`plot_render.py` draws it. A page can therefore be built, and tested, without a plotting library.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, PLOTTED_MEASURES, Judge
from imgexp_tui.records.metrics.run_state import Best, Series, best_run
from imgexp_tui.text import format_number

MAX_COLUMNS = 600
"""The most columns of pixels of a panel; a line keeps the lowest and the highest value of each."""
MAX_VERSIONS = 8
"""Most versions that one figure compares; more cannot be told apart by colour."""
_MAX_DOTS = 60
"""Lines with up to this many points get a dot for each."""
_LOG_SCALE_RATIO = 100.0
"""Loss is drawn on a log scale from this ratio of its highest to its lowest value on."""
PlotPoints = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One line of a panel.

    Attributes:
        role: `steps` (every training step, pale), `train`, `valid`, or the number of a version in a comparison.
        points: x and y, sorted by x; y is nan where the line has a gap.
    """

    label: str
    role: str
    points: PlotPoints

    @property
    def has_dots(self) -> bool:
        """Whether each point is drawn with a dot."""
        return len(self.points) <= _MAX_DOTS


@dataclass(frozen=True, slots=True)
class PlotPanel:
    """One pair of axes.

    Attributes:
        chance: the value that guessing reaches; None where it is not known.
        best_point: x and y of the best epoch; None without one.
        best_text: value and place of the best epoch, in words.
        is_log_scale: whether the values are drawn on a log scale.
    """

    metric: str
    lines: tuple[PlotLine, ...]
    chance: float | None = None
    best_point: tuple[float, float] | None = None
    best_text: str = ""
    is_log_scale: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture.

    Attributes:
        name: the name of its files, without a suffix.
        alt_text: what the figure shows, in words.
        axis: the unit of x: `epoch` or `step`.
        attempt_starts: the x at which each attempt after the first begins.
    """

    name: str
    alt_text: str
    axis: str
    panels: tuple[PlotPanel, ...]
    attempt_starts: tuple[float, ...] = ()


def run_figure(name: str, follower: RunFollower) -> Figure | None:
    """Returns loss, accuracy and judged metric of a run, in training and validation; None where it has none."""
    axis, per_unit = _x_axis([follower])
    best = follower.best()
    measures = _plotted_measures(follower.judges)
    panels = tuple(p for measure in measures if (p := _run_panel(follower, measure, per_unit, best)))
    if not panels:
        return None
    attempts = tuple(step / per_unit for _, step in sorted(follower.attempt_starts.items()))
    best_text = f": {panels[0].best_text}" if panels[0].best_text else ""
    what = " and ".join(panel.metric for panel in panels)
    return Figure(name, f"{what.capitalize()} of {name}, run {follower.run_id}{best_text}", axis, panels, attempts)


def _plotted_measures(judges: Sequence[Judge]) -> list[str]:
    """Returns the metrics, without their halves, that are drawn: those of every report, and the one that judges."""
    measure = DEFAULT_METRICS[judges[0].metric].measure
    return list(dict.fromkeys([*PLOTTED_MEASURES, *([measure] if measure else [])]))


def comparison_figure(
    name: str, followers_by_version: Mapping[str, RunFollower], judges: Sequence[Judge] = DEFAULT_METRICS.judges()
) -> Figure | None:
    """Returns the validation curves of several versions on the same axes; None where fewer than two have one.

    Args:
        followers_by_version: version → its reported run, in the notebook's order. Of more than `MAX_VERSIONS` the best
            are shown.
        judges: the metrics that judge all of these versions, in order of preference.
    """
    judge = _comparison_judge(followers_by_version.values(), judges)
    candidates = [
        (version, view) for version, view in followers_by_version.items() if _finite_values(view, judge.metric)
    ]
    if len(candidates) < 2:
        return None
    ranked = sorted(candidates, key=lambda f: min(map(judge.goal.sort_key, _finite_values(f[1], judge.metric))))
    first = ranked[:MAX_VERSIONS]
    displayed = [f for f in candidates if f in first]
    axis, _ = _x_axis([view for _, view in displayed])
    panels = []
    for metric in _plotted_measures(judges):
        lines = tuple(
            PlotLine(
                version,
                str(i),
                _plot_points(view.series[f"valid/{metric}"], _steps_per_epoch(view) if axis == "epoch" else 1),
            )
            for i, (version, view) in enumerate(displayed)
            if _finite_values(view, f"valid/{metric}")
        )
        chances = {_chance_value(view, metric) for _, view in displayed}
        if lines:
            chance = chances.pop() if len(chances) == 1 else None
            panels.append(PlotPanel(f"valid {metric}", lines, chance, is_log_scale=_needs_log_scale(metric, lines)))
    of = (
        f"the {MAX_VERSIONS} best of {len(candidates)} versions"
        if len(candidates) > MAX_VERSIONS
        else ", ".join(version for version, _ in displayed)
    )
    return Figure(name, f"Validation curves of {of}", axis, tuple(panels))


def _comparison_judge(followers: Iterable[RunFollower], judges: Sequence[Judge]) -> Judge:
    """The metric by which versions are compared: the first that two runs have; valid/loss where none is."""
    followers = list(followers)
    valid = [judge for judge in judges if judge is judges[0] or not judge.metric.startswith("train/")]
    enough = (j for j in valid if sum(bool(_finite_values(follower, j.metric)) for follower in followers) > 1)
    return next(enough, valid[-1])


def thinned(steps: Sequence[int], values: Sequence[float], columns: int = MAX_COLUMNS) -> list[tuple[int, float]]:
    """Returns at most three points for each column of pixels: its lowest value, its highest, and a gap if it has one.

    Values that are not finite become gaps (nan). A line that has no more points than can be seen keeps them all.
    """
    if len(steps) <= 2 * columns:
        chosen: Iterable[int] = range(len(steps))
    else:
        first, width = steps[0], (steps[-1] - steps[0] + 1) / columns
        ends = [bisect_left(steps, first + i * width) for i in range(1, columns)]
        chosen = chain.from_iterable(_extreme_indices(values, *ends_) for ends_ in pairwise([0, *ends, len(steps)]))
    return [(steps[i], values[i] if math.isfinite(values[i]) else math.nan) for i in chosen]


def _extreme_indices(values: Sequence[float], start: int, end: int) -> list[int]:
    """Returns the indices of the lowest, the highest and the first non-finite value of a part, sorted."""
    part = values[start:end]
    if len(part) < 2:
        return list(range(start, end))
    if math.isfinite(sum(part)):  # the fast path; a sum that overflows only takes the slow one
        return sorted({start + part.index(min(part)), start + part.index(max(part))})
    finite = [i for i in range(start, end) if math.isfinite(values[i])]
    broken = [i for i in range(start, end) if not math.isfinite(values[i])][:1]
    ends = {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)} if finite else set()
    return sorted({*ends, *broken})


def _run_panel(follower: RunFollower, metric: str, steps_per_unit: float, best: Best | None) -> PlotPanel | None:
    lines = tuple(_run_lines(follower, metric, steps_per_unit))
    if not lines:
        return None
    mark, best_text = None, ""
    if best:
        judged = best.metric.partition("/")[2]
        name = f"{best.metric.partition('/')[0]}/{metric}"
        value = best.value if judged == metric else best.other_metrics.get(name)
        if value is not None and math.isfinite(value):
            mark = (best.step / steps_per_unit, value)
            at = f"epoch {best.epoch:g}" if best.epoch is not None else f"step {best.step:,}"
            best_text = (
                f"best {format_number(value)} at {at}" if judged == metric else f"{format_number(value)} at that epoch"
            )
    return PlotPanel(metric, lines, _chance_value(follower, metric), mark, best_text, _needs_log_scale(metric, lines))


def _run_lines(follower: RunFollower, metric: str, steps_per_unit: float) -> Iterator[PlotLine]:
    means = bool(_finite_values(follower, f"train/epoch_{metric}"))
    for name, label, role in (
        (f"train/{metric}", "train, each step" if means else "train", "steps" if means else "train"),
        (f"train/epoch_{metric}", "train, mean of the epoch", "train"),
        (f"valid/{metric}", "valid", "valid"),
    ):
        if _finite_values(follower, name):
            yield PlotLine(label, role, _plot_points(follower.series[name], steps_per_unit))


def _plot_points(series: Series, steps_per_unit: float) -> PlotPoints:
    return tuple((step / steps_per_unit, value) for step, value in thinned(series.steps, series.values))


def _finite_values(follower: RunFollower, name: str) -> list[float]:
    series = follower.series.get(name)
    return [v for v in series.values if math.isfinite(v)] if series else []


def _chance_value(follower: RunFollower, metric: str) -> float | None:
    level = follower.chance.get(f"valid/{metric}")
    return level if level is not None and math.isfinite(level) else None


def _x_axis(followers: Sequence[RunFollower]) -> tuple[str, float]:
    """Returns the unit of x and its length in steps (of the first run): epochs where every run states their length."""
    return (
        ("epoch", _steps_per_epoch(followers[0]))
        if all(_steps_per_epoch(view) > 0 for view in followers)
        else ("step", 1)
    )


def _steps_per_epoch(follower: RunFollower) -> float:
    """Returns the steps of an epoch; 0 where the run does not state them."""
    count = follower.plan.get("steps_per_epoch")
    if isinstance(count, bool) or not isinstance(count, int | float) or not math.isfinite(count):
        return 0.0
    return max(0.0, float(count))


def _needs_log_scale(metric: str, lines: Sequence[PlotLine]) -> bool:
    values = [y for line in lines for _, y in line.points if not math.isnan(y)]
    return metric == "loss" and min(values) > 0 and max(values) / min(values) > _LOG_SCALE_RATIO


def reported_run(followers: Sequence[RunFollower], judges: Sequence[Judge] | None = None) -> RunFollower | None:
    """Returns the run that a page describes: the best, else the first of `followers`, which is the newest.

    Args:
        judges: the metrics that decide, in order of preference; those of the first run's record without.
    """
    best = best_run(followers, judges)
    return best[0] if best else followers[0] if followers else None
