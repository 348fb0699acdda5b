"""Reads what the charts show. For threads: it blocks on files, needs NumPy, and keeps what it has read."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from imgexp_tui.records.metrics.history import Axis, RunSeries
from imgexp_tui.records.metrics.minmax import Floats
from imgexp_tui.services.charts.curves import CurveMaker, Window, depth_of
from imgexp_tui.services.charts.run_groups import ChartRuns, every_run
from imgexp_tui.views.charts import gradients, plot
from imgexp_tui.views.charts.axis import grown
from imgexp_tui.views.charts.model import GRADIENTS, SAMPLED, Asked, Choice, Curve, Panel, Picture
from imgexp_tui.views.styled import Line

_FIRST = ("valid/loss", "train/loss", "valid/accuracy", "train/accuracy")
_LEAST = (38, 8)
"""Cells and lines that a chart takes at least."""
MOST = 12
"""Most runs that are charted together."""


class ChartLook:
    """Looks at the runs of some versions.

    Args:
        lab: the lab's folder.
        choices: the versions or runs that are charted.
    """

    def __init__(self, lab: Path, choices: Sequence[Choice]) -> None:
        self._lab = lab
        self._first = tuple(choices)
        self._runs = ChartRuns(lab, self._first[:MOST])
        self._maker = CurveMaker()
        self._turn = threading.Lock()
        self._drawn: Asked | None = None

    def look(self, asked: Asked) -> Picture | None:
        """The picture; None where it is the same as the one before."""
        with self._turn:
            changed = self._runs.poll()
            if not changed and asked == self._drawn:
                return None
            self._drawn = asked
            return self._picture(asked)

    def spread(self, *, every: bool) -> None:
        """Chart every run of the versions by itself, or what was chosen at first."""
        with self._turn:
            versions = list(dict.fromkeys(choice.version for choice in self._first))
            self._runs.choose(every_run(self._lab, versions, MOST) if every else self._first[:MOST])
            self._drawn = None

    def turned(self, asked: Asked, axis: str) -> Asked:
        """The same part of the first run, and the same step under the cursor, on another axis."""
        with self._turn:
            old, new = Axis(asked.axis), Axis(axis)
            run = next((group.runs[0] for group in self._runs.groups), None)
            if run is None:
                return replace(asked, axis=axis, span=None)

            def moved(x: float) -> float:
                return run.x_of(min(max(0.0, run.step_at(x, old)), run.last_step), new)

            span = (moved(asked.span[0]), moved(asked.span[1])) if asked.span else None
            if span and not span[0] < span[1]:
                span = None
            cursor = None if asked.cursor is None else moved(asked.cursor)
            return replace(asked, axis=axis, span=span, cursor=cursor)

    def steps_of(self, metric: str, stretch: tuple[int, int]) -> tuple[int, int]:
        """A stretch as steps of the first run: what a supervisor sampled is told in seconds since its first sample."""
        with self._turn:
            self._runs.poll()
            run = next((group.runs[0] for group in self._runs.groups), None)
            return run.steps_within(*stretch) if run and metric.startswith(SAMPLED) else stretch

    def span_of(self, steps: tuple[int, int], axis: str) -> tuple[float, float] | None:
        """Where a stretch of steps of the first run stands, with as much again on either side."""
        with self._turn:
            self._runs.poll()
            run = next((group.runs[0] for group in self._runs.groups), None)
            if run is None:
                return None
            room = max(10, steps[1] - steps[0])
            low, high = max(0, steps[0] - room), min(run.last_step, steps[1] + room)
            return (run.x_of(low, Axis(axis)), run.x_of(high, Axis(axis))) if low < high else None

    # One picture

    def _picture(self, asked: Asked) -> Picture:
        runs = [run for group in self._runs.groups for run in group.runs]
        metrics = self._metrics(runs)
        panels = self._panels(metrics)
        axes = tuple(axis.value for axis in Axis if any(axis in run.axes() for run in runs)) or ("step",)
        asked = asked if asked.axis in axes else replace(asked, axis="step", span=None, cursor=None)
        reach = self._reach(runs, Axis(asked.axis))
        first = min((x for run in runs if (x := run.x_of(1, Axis(asked.axis))) > 0), default=reach[1] / 1000 or 1.0)
        window = self._window(runs, asked, reach, first)
        metric = asked.metric if asked.metric in panels else self._panel_of(asked.metric, panels)
        picture = Picture(
            panels=tuple(panels),
            metric=metric,
            axes=axes,
            axis=asked.axis,
            window=window,
            reach=reach,
            first=first,
            log_x=asked.log_x,
            cursor=asked.cursor,
            groups=any(len(group.runs) > 1 for group in self._runs.groups),
            gradients=any(name.startswith(GRADIENTS) for run in runs for name in run.metrics),
            reading=self._runs.reading,
            runs=tuple((group.name, group.runs[0].run.run) for group in self._runs.groups),
        )
        if not panels:
            return replace(picture, trouble=self._nothing())
        if asked.gradients and picture.gradients:
            return self._gradients(picture, asked, window)
        if asked.many and len(panels) > 1:
            return self._many(picture, panels, asked, window)
        wide = max(8, asked.width - plot.GUTTER)
        chosen = self._panel(metric, panels[metric], asked, window, wide)
        lines = plot.large(chosen, asked.width, asked.height)
        return replace(picture, lines=tuple(lines), plot=(plot.GUTTER, wide))

    def _gradients(self, picture: Picture, asked: Asked, window: tuple[float, float]) -> Picture:
        _, first, wide = gradients.columns(asked.width)
        at = Window(Axis(asked.axis), _edges(asked, window, wide), asked.cursor)
        depths = [depth_of(group.name, group.runs[0], i, at) for i, group in enumerate(self._runs.groups)]
        axis = Panel("", (), wide, *window, asked.axis, asked.log_x, False, 0.0, "", cursor=asked.cursor)
        lines = gradients.gradients([d for d in depths if d.layers], axis, asked.width, asked.height)
        return replace(picture, lines=tuple(lines), plot=(first, wide))

    def _many(
        self, picture: Picture, panels: dict[str, tuple[str, ...]], asked: Asked, window: tuple[float, float]
    ) -> Picture:
        """As many charts as there is room for, the one that stands out among them."""
        across, down = chart_grid(len(panels), asked.width, asked.height)
        room, tall = asked.width // across, asked.height // down
        wide = max(8, room - plot.GUTTER - 1)
        names = list(panels)
        page = names.index(picture.metric) // (across * down) * across * down
        lines: list[Line] = []
        for start in range(page, min(len(names), page + across * down), across):
            row = [
                plot.small(
                    self._panel(name, panels[name], asked, window, wide), room, tall, here=name == picture.metric
                )
                for name in names[start : start + across]
            ]
            lines += [tuple(span for part in parts for span in part) for parts in zip(*row, strict=True)]
        return replace(picture, lines=tuple(lines), plot=(plot.GUTTER, wide), rooms=room)

    def _nothing(self) -> str:
        names = ", ".join(dict.fromkeys(choice.version for choice in self._runs.choices))
        return f"{names}: nothing was measured yet." if self._runs.groups else f"{names}: there is no run yet."

    @staticmethod
    def _metrics(runs: list[RunSeries]) -> list[str]:
        """What is charted, what matters most first."""
        found = dict.fromkeys(name for run in runs for name in run.metrics if not name.startswith(GRADIENTS))
        return [*(name for name in _FIRST if name in found), *(name for name in found if name not in _FIRST)]

    def _panels(self, metrics: list[str]) -> dict[str, tuple[str, ...]]:
        """Name → metrics. Where one run is charted, training and validation stand in one panel."""
        if len(self._runs.groups) > 1:
            return {name: (name,) for name in metrics}
        panels: dict[str, tuple[str, ...]] = {}
        for name in metrics:
            half, _, rest = name.partition("/")
            panel = rest if half in ("train", "valid") and rest else name
            panels[panel] = (*panels.get(panel, ()), name)
        return {(names[0] if len(names) == 1 else panel): names for panel, names in panels.items()}

    @staticmethod
    def _panel_of(metric: str, panels: dict[str, tuple[str, ...]]) -> str:
        """The panel that has a metric; the first one where none has."""
        return next((name for name, metrics in panels.items() if metric in metrics), next(iter(panels), ""))

    def _reach(self, runs: list[RunSeries], axis: Axis) -> tuple[float, float]:
        ends = [run.reach(axis)[1] for run in runs]
        return 0.0, max((end for end in ends if math.isfinite(end)), default=0.0)

    def _window(
        self, runs: list[RunSeries], asked: Asked, reach: tuple[float, float], first: float
    ) -> tuple[float, float]:
        """What is in sight. The end of an axis stays put while runs grow, so that what is drawn does, too."""
        low, high = asked.span or reach
        if asked.span is None:
            high = grown(high) if any(_open(run) for run in runs) else high
        if asked.log_x and low <= 0:
            low = first
        return (low, high) if high > low else (low, low + 1.0)

    def _panel(
        self, name: str, metrics: tuple[str, ...], asked: Asked, window: tuple[float, float], wide: int
    ) -> Panel:
        at = Window(Axis(asked.axis), _edges(asked, window, 2 * wide), asked.cursor)
        curves: list[Curve] = []
        for metric in metrics:
            for i, group in enumerate(self._runs.groups):
                place = i if len(metrics) == 1 else metrics.index(metric)
                found = self._maker.curves(group, metric, place, at, asked.smooth, asked.band)
                named = metric.partition("/")[0]
                curves += found if len(metrics) == 1 else [replace(c, name=f"{c.name} {named}") for c in found]
        runs = [group.runs[0] for group in self._runs.groups]
        return Panel(
            name=name,
            curves=tuple(curves),
            wide=wide,
            x0=window[0],
            x1=window[1],
            axis=asked.axis,
            log_x=asked.log_x,
            log_y=asked.log_y,
            smooth=asked.smooth,
            band=asked.band,
            chance=_chance(runs, metrics[0]),
            cursor=asked.cursor,
            spots=tuple(runs[0].x_of(step, Axis(asked.axis)) for step in asked.steps) if asked.steps and runs else (),
        )


def chart_grid(count: int, width: int, height: int) -> tuple[int, int]:
    """How many charts stand across and how many down, each as large as they can be."""
    most_across, most_down = max(1, width // _LEAST[0]), max(1, height // _LEAST[1])
    fits = [(a, -(-count // a)) for a in range(1, most_across + 1) if -(-count // a) <= most_down]
    if not fits:
        return most_across, most_down
    # A chart looks best about three times as wide, in cells, as it is tall.
    return min(fits, key=lambda grid: abs(math.log(width / grid[0] / (height / grid[1]) / 4)))


def _edges(asked: Asked, window: tuple[float, float], count: int) -> Floats:
    spaced = np.geomspace if asked.log_x and window[0] > 0 else np.linspace
    edges: Floats = spaced(window[0], window[1], count + 1)
    edges[0], edges[-1] = window  # rounding must not leave out the last step
    return edges


def _open(run: RunSeries) -> bool:
    """Whether it may go on: it has not written how it ended."""
    return not run.run.exit.exists()


def _chance(runs: list[RunSeries], metric: str) -> float | None:
    """As a trainer stated it; where it named one half only, training and validation share it."""
    half, _, rest = metric.partition("/")
    names = (metric, f"{'train' if half == 'valid' else 'valid'}/{rest}")
    for run in runs:
        stated = run.plan.get("chance")
        for name in names:
            value = stated.get(name) if isinstance(stated, dict) else None
            if isinstance(value, int | float) and math.isfinite(value):
                return float(value)
    return None
