"""Immutable data of the charts: the request (what to draw) and the picture (what was drawn)."""

from __future__ import annotations

from dataclasses import dataclass

from imgexp_tui.palette import DARK_CURVES
from imgexp_tui.records.metrics.metric import Metric
from imgexp_tui.views.styled import Line

AXES = ("step", "epoch", "time", "samples")
SMOOTHING_STRENGTHS = (0.0, 0.6, 0.9, 0.99, 0.999)
"""Weights of the previous average in the exponential moving average; 0 does not smooth."""
BAND_MODES = ("min–max", "± std", "each")
"""How to draw runs that differ only in their seed: as a mean with a band, or each run by itself."""
GRADIENT_PREFIX = "gradient_norm/"
CURVE_ROLES = tuple(f"curve{i}" for i in range(len(DARK_CURVES.curves)))
"""Roles of the runs that one chart compares; more runs than these share them, and their letters tell them apart."""
SAMPLED_PREFIXES = ("tree/", "host/", "gpu")
"""Prefixes of the metrics that the supervisor samples."""


def curve_role(metric: str, run: int, run_count: int) -> str:
    """Returns the role of a curve: that of its half where one run is charted, else that of the run.

    Args:
        run: the run's place among the runs of the chart.
    """
    half = metric.partition("/")[0]
    return half if run_count == 1 and half in ("train", "valid") else CURVE_ROLES[run % len(CURVE_ROLES)]


@dataclass(frozen=True, slots=True)
class ChartChoice:
    """One run of a version to chart; "" selects the newest run that has recorded any metric."""

    version: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """What to draw.

    Attributes:
        width, height: size of the picture in cells.
        metric: name of the selected panel; "" selects the first.
        span: the visible part of the x axis; None for all of it.
        cursor: x of the cursor; None without one.
        marked_steps: first and last step of a marked range.
    """

    width: int = 80
    height: int = 20
    metric: str = ""
    show_grid: bool = False
    show_gradients: bool = False
    axis: str = AXES[0]
    span: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    smoothing: float = 0.0
    band_mode: str = BAND_MODES[0]
    cursor: float | None = None
    marked_steps: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class BestPoint:
    """The best value of a curve, with its position."""

    x: float
    value: float
    step: int
    epoch: float


@dataclass(frozen=True, slots=True)
class CursorReading:
    """A curve's value at the cursor, or the latest one; `low` and `high` are the extremes of the cursor's cell."""

    step: int
    epoch: float
    seconds: float
    value: float
    low: float
    high: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class PlottedCurve:
    """One curve, in columns of the plot.

    Attributes:
        name: name of the run or group, with the metric where a panel has several metrics.
        entry: what the lab's table says of its metric.
        role: which colour it has: `train` or `valid` where one run is charted, else one of `CURVE_ROLES`.
        low, high: extremes of each column; nan for a column without a value.
        line: the smoothed curve; () without smoothing.
        band: lower and upper edge of a group's band; () without one.
        non_finite: whether a column has a value that is not finite.
        point_before, point_after: x and value of the nearest points outside the visible window.
        attempt_starts: x at which resumed attempts begin.
        run_count: number of runs in a group; 1 for a single run.
        non_finite_count: number of visible values that are not finite.
    """

    name: str
    entry: Metric
    role: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    non_finite: tuple[bool, ...]
    line: tuple[float, ...] = ()
    band: tuple[tuple[float, ...], tuple[float, ...]] | tuple[()] = ()
    point_before: tuple[float, float] | None = None
    point_after: tuple[float, float] | None = None
    best: BestPoint | None = None
    attempt_starts: tuple[float, ...] = ()
    cursor_reading: CursorReading | None = None
    run_count: int = 1
    non_finite_count: int = 0

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.entry.name


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One chart: a metric, or its training and validation values, for every charted run.

    Attributes:
        plot_width: width of the plot in cells.
        x_min, x_max: the ends of the x axis.
        chance: the expected value of random guessing; None where it is unknown.
        marked_x: x of the edges of the marked range.
    """

    name: str
    curves: tuple[PlottedCurve, ...]
    plot_width: int
    x_min: float
    x_max: float
    axis: str
    log_x: bool
    log_y: bool
    smoothing: float
    band_mode: str
    chance: float | None = None
    cursor: float | None = None
    marked_x: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ChartPicture:
    """The drawn lines, and the data that the keys need for the next request.

    Attributes:
        panels: names of all panels.
        metric: name of the selected panel.
        window: ends of the visible part of the x axis; `full_range` has the ends of the whole axis.
        smallest_positive_x: smallest x above 0, where a logarithmic axis begins.
        plot_span: first cell and width, in cells, of a chart's plot.
        chart_width: width in cells of each chart of a grid; 0 for a single chart.
        is_reading: a long record is still being read.
        problem: why nothing is drawn; "" otherwise.
    """

    lines: tuple[Line, ...] = ()
    panels: tuple[str, ...] = ()
    metric: str = ""
    axes: tuple[str, ...] = AXES[:1]
    axis: str = AXES[0]
    window: tuple[float, float] = (0.0, 1.0)
    full_range: tuple[float, float] = (0.0, 1.0)
    smallest_positive_x: float = 1.0
    log_x: bool = False
    plot_span: tuple[int, int] = (0, 1)
    chart_width: int = 0
    cursor: float | None = None
    has_groups: bool = False
    has_gradients: bool = False
    is_reading: bool = False
    problem: str = ""
    runs: tuple[tuple[str, str], ...] = ()
