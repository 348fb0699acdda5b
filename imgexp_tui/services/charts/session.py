"""Serves the charts screen: follows the charted runs and renders the requested picture.

Blocks on files and needs NumPy: use it in a thread. It keeps what it has read between requests.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from imgexp_tui.records.metrics.history import Axis, MetricHistory
from imgexp_tui.records.metrics.metric import chance_value, in_chart_order, lab_metrics, stated_judge, version_judges
from imgexp_tui.records.metrics.minmax import Floats
from imgexp_tui.services.charts.curves import AxisWindow, PlottedCurveBuilder, run_gradients
from imgexp_tui.services.charts.run_groups import ChartRuns, choices_for_all_runs
from imgexp_tui.services.notebook_reader import CurrentNotebook
from imgexp_tui.views.charts import gradients, plot
from imgexp_tui.views.charts.axis import rounded_end
from imgexp_tui.views.charts.model import (
    GRADIENT_PREFIX,
    SAMPLED_PREFIXES,
    ChartChoice,
    ChartPanel,
    ChartPicture,
    ChartRequest,
    PlottedCurve,
    curve_role,
)
from imgexp_tui.views.styled import Line

_MIN_CHART_SIZE = (38, 8)
"""Least width in cells and height in lines of a chart."""
MAX_RUNS = 12
"""Most runs in one chart."""


class ChartSession:
    """The charts of some versions or runs; thread-safe.

    Args:
        lab: the lab's folder.
        choices: the versions or runs to chart.
    """

    def __init__(self, lab: Path, choices: Sequence[ChartChoice]) -> None:
        self._lab = lab
        self._initial_choices = tuple(choices)
        self._runs = ChartRuns(lab, self._initial_choices[:MAX_RUNS])
        self._notebook = CurrentNotebook(lab)
        self._curve_builder = PlottedCurveBuilder()
        self._lock = threading.Lock()
        self._last_request: ChartRequest | None = None

    def refresh(self, request: ChartRequest) -> ChartPicture | None:
        """Read new records and render the picture; None if it is the same as before."""
        with self._lock:
            changed = self._runs.poll()
            changed = self._poll_metrics() or changed
            if not changed and request == self._last_request:
                return None
            self._last_request = request
            return self._render(request)

    def _poll_metrics(self) -> bool:
        """Follow the notebook's table of metrics. Returns whether it has changed."""
        metrics = lab_metrics(self._notebook.read())
        if metrics == self._curve_builder.metrics:
            return False
        self._curve_builder = PlottedCurveBuilder(metrics)
        return True

    def select_runs(self, *, all_runs: bool) -> None:
        """Chart every run of the versions by itself, or the initial choices again."""
        with self._lock:
            versions = list(dict.fromkeys(choice.version for choice in self._initial_choices))
            self._runs.set_choices(
                choices_for_all_runs(self._lab, versions, MAX_RUNS) if all_runs else self._initial_choices[:MAX_RUNS]
            )
            self._last_request = None

    def with_axis(self, request: ChartRequest, axis: str) -> ChartRequest:
        """The request on another axis, with the same visible part of the first run and the cursor at the same step."""
        with self._lock:
            old, new = Axis(request.axis), Axis(axis)
            run = next((group.runs[0] for group in self._runs.groups), None)
            if run is None:
                return replace(request, axis=axis, span=None)

            def moved(x: float) -> float:
                return run.x_of(min(max(0.0, run.step_at(x, old)), run.last_step), new)

            span = (moved(request.span[0]), moved(request.span[1])) if request.span else None
            if span and not span[0] < span[1]:
                span = None
            cursor = None if request.cursor is None else moved(request.cursor)
            return replace(request, axis=axis, span=span, cursor=cursor)

    def to_steps(self, metric: str, stretch: tuple[int, int]) -> tuple[int, int]:
        """Convert the range of a finding's evidence to steps of the first run.

        Ranges of metrics that the supervisor samples are seconds since its first sample; others are steps already.
        """
        with self._lock:
            self._runs.poll()
            run = next((group.runs[0] for group in self._runs.groups), None)
            return run.steps_in_seconds(*stretch) if run and metric.startswith(SAMPLED_PREFIXES) else stretch

    def span_around(self, steps: tuple[int, int], axis: str) -> tuple[float, float] | None:
        """The part of the axis with a range of steps of the first run, and as much again on either side."""
        with self._lock:
            self._runs.poll()
            run = next((group.runs[0] for group in self._runs.groups), None)
            if run is None:
                return None
            room = max(10, steps[1] - steps[0])
            low, high = max(0, steps[0] - room), min(run.last_step, steps[1] + room)
            return (run.x_of(low, Axis(axis)), run.x_of(high, Axis(axis))) if low < high else None

    def _render(self, request: ChartRequest) -> ChartPicture:
        runs = [run for group in self._runs.groups for run in group.runs]
        metrics = self._ordered_metrics(runs)
        panels = self._panel_metrics(metrics)
        axes = tuple(axis.value for axis in Axis if any(axis in run.axes() for run in runs)) or ("step",)
        request = request if request.axis in axes else replace(request, axis="step", span=None, cursor=None)
        reach = self._full_range(runs, Axis(request.axis))
        first = min((x for run in runs if (x := run.x_of(1, Axis(request.axis))) > 0), default=reach[1] / 1000 or 1.0)
        window = self._visible_window(runs, request, reach, first)
        preferred = request.metric or self._judge()
        metric = preferred if preferred in panels else self._panel_of(preferred, panels)
        picture = ChartPicture(
            panels=tuple(panels),
            metric=metric,
            axes=axes,
            axis=request.axis,
            window=window,
            full_range=reach,
            smallest_positive_x=first,
            log_x=request.log_x,
            cursor=request.cursor,
            has_groups=any(len(group.runs) > 1 for group in self._runs.groups),
            has_gradients=any(name.startswith(GRADIENT_PREFIX) for run in runs for name in run.metric_names),
            is_reading=self._runs.is_reading,
            runs=tuple((group.name, group.runs[0].run_dir.run_id) for group in self._runs.groups),
        )
        if not panels:
            return replace(picture, problem=self._empty_message())
        if request.show_gradients and picture.has_gradients:
            return self._render_gradients(picture, request, window)
        if request.show_grid and len(panels) > 1:
            return self._render_grid(picture, panels, request, window)
        plot_width = max(8, request.width - plot.GUTTER)
        chosen = self._build_panel(metric, panels[metric], request, window, plot_width)
        lines = plot.large_chart(chosen, request.width, request.height)
        return replace(picture, lines=tuple(lines), plot_span=(plot.GUTTER, plot_width))

    def _render_gradients(
        self, picture: ChartPicture, request: ChartRequest, window: tuple[float, float]
    ) -> ChartPicture:
        _, first, bar_width = gradients.column_layout(request.width)
        at = AxisWindow(Axis(request.axis), _column_edges(request, window, bar_width), request.cursor)
        groups = self._runs.groups
        depths = [
            run_gradients(group.name, group.runs[0], curve_role("", i, len(groups)), at)
            for i, group in enumerate(groups)
        ]
        axis = ChartPanel(
            "", (), bar_width, *window, request.axis, request.log_x, False, 0.0, "", cursor=request.cursor
        )
        lines = gradients.gradient_lines([d for d in depths if d.layers], axis, request.width, request.height)
        return replace(picture, lines=tuple(lines), plot_span=(first, bar_width))

    def _render_grid(
        self,
        picture: ChartPicture,
        panels: dict[str, tuple[str, ...]],
        request: ChartRequest,
        window: tuple[float, float],
    ) -> ChartPicture:
        """The page of charts, as many as fit, that has the selected one."""
        across, down = chart_grid(len(panels), request.width, request.height)
        room, tall = request.width // across, request.height // down
        plot_width = max(8, room - plot.GUTTER - 1)
        names = list(panels)
        page = names.index(picture.metric) // (across * down) * across * down
        lines: list[Line] = []
        for start in range(page, min(len(names), page + across * down), across):
            row = [
                plot.small_chart(
                    self._build_panel(name, panels[name], request, window, plot_width),
                    room,
                    tall,
                    is_selected=name == picture.metric,
                )
                for name in names[start : start + across]
            ]
            lines += [tuple(span for part in parts for span in part) for parts in zip(*row, strict=True)]
        return replace(picture, lines=tuple(lines), plot_span=(plot.GUTTER, plot_width), chart_width=room)

    def _empty_message(self) -> str:
        names = ", ".join(dict.fromkeys(choice.version for choice in self._runs.choices))
        return f"{names}: nothing was measured yet." if self._runs.groups else f"{names}: there is no run yet."

    @staticmethod
    def _ordered_metrics(runs: list[MetricHistory]) -> list[str]:
        """The metrics to chart, the most important first."""
        names = dict.fromkeys(name for run in runs for name in run.metric_names if not name.startswith(GRADIENT_PREFIX))
        return in_chart_order(names)

    def _panel_metrics(self, metrics: list[str]) -> dict[str, tuple[str, ...]]:
        """Panel name → its metrics. With one charted run, training and validation values share a panel."""
        if len(self._runs.groups) > 1:
            return {name: (name,) for name in metrics}
        panels: dict[str, tuple[str, ...]] = {}
        for name in metrics:
            half, _, rest = name.partition("/")
            panel = rest if half in ("train", "valid") and rest else name
            panels[panel] = (*panels.get(panel, ()), name)
        return {(names[0] if len(names) == 1 else panel): names for panel, names in panels.items()}

    def _judge(self) -> str:
        """The metric that judges the first charted version; "" for the default one."""
        version = self._initial_choices[0].version if self._initial_choices else ""
        return stated_judge(version_judges(self._notebook.read(), version))

    @staticmethod
    def _panel_of(metric: str, panels: dict[str, tuple[str, ...]]) -> str:
        """The panel with a metric; the first panel if none has it."""
        return next((name for name, metrics in panels.items() if metric in metrics), next(iter(panels), ""))

    def _full_range(self, runs: list[MetricHistory], axis: Axis) -> tuple[float, float]:
        ends = [run.x_range(axis)[1] for run in runs]
        return 0.0, max((end for end in ends if math.isfinite(end)), default=0.0)

    def _visible_window(
        self, runs: list[MetricHistory], request: ChartRequest, reach: tuple[float, float], first: float
    ) -> tuple[float, float]:
        """The visible part of the x axis. For growing runs its end is rounded, so the drawing seldom moves."""
        low, high = request.span or reach
        if request.span is None:
            high = rounded_end(high) if any(_may_continue(run) for run in runs) else high
        if request.log_x and low <= 0:
            low = first
        return (low, high) if high > low else (low, low + 1.0)

    def _build_panel(
        self, name: str, metrics: tuple[str, ...], request: ChartRequest, window: tuple[float, float], plot_width: int
    ) -> ChartPanel:
        at = AxisWindow(Axis(request.axis), _column_edges(request, window, 2 * plot_width), request.cursor)
        curves: list[PlottedCurve] = []
        for metric in metrics:
            for i, group in enumerate(self._runs.groups):
                role = curve_role(metric, i, len(self._runs.groups))
                built = self._curve_builder.build(group, metric, role, at, request.smoothing, request.band_mode)
                named = metric.partition("/")[0]
                curves += built if len(metrics) == 1 else [replace(c, name=f"{c.name} {named}") for c in built]
        runs = [group.runs[0] for group in self._runs.groups]
        return ChartPanel(
            name=name,
            curves=tuple(curves),
            plot_width=plot_width,
            x_min=window[0],
            x_max=window[1],
            axis=request.axis,
            log_x=request.log_x,
            log_y=request.log_y,
            smoothing=request.smoothing,
            band_mode=request.band_mode,
            chance=next(
                (v for run in runs if (v := chance_value(run.plan.get("chance"), metrics[0])) is not None), None
            ),
            cursor=request.cursor,
            marked_x=tuple(runs[0].x_of(step, Axis(request.axis)) for step in request.marked_steps)
            if request.marked_steps and runs
            else (),
        )


def chart_grid(count: int, width: int, height: int) -> tuple[int, int]:
    """Number of charts across and down, such that each is as large as possible."""
    most_across, most_down = max(1, width // _MIN_CHART_SIZE[0]), max(1, height // _MIN_CHART_SIZE[1])
    grids = [(a, -(-count // a)) for a in range(1, most_across + 1) if -(-count // a) <= most_down]
    if not grids:
        return most_across, most_down
    # A chart looks best about three times as wide, in cells, as it is tall.
    return min(grids, key=lambda grid: abs(math.log(width / grid[0] / (height / grid[1]) / 4)))


def _column_edges(request: ChartRequest, window: tuple[float, float], count: int) -> Floats:
    spaced = np.geomspace if request.log_x and window[0] > 0 else np.linspace
    edges: Floats = spaced(window[0], window[1], count + 1)
    edges[0], edges[-1] = window  # rounding errors must not exclude the last step
    return edges


def _may_continue(run: MetricHistory) -> bool:
    """Whether a run may continue: it has not recorded its end."""
    return not run.run_dir.exit.exists()
