"""What the charts are asked for and what they then show, as immutable plain data."""

from __future__ import annotations

from dataclasses import dataclass

from imgexp_tui.palette import DARK_CURVES
from imgexp_tui.views.styled import Line

AXES = ("step", "epoch", "time", "samples")
SMOOTHING_STRENGTHS = (0.0, 0.6, 0.9, 0.99, 0.999)
"""Weights of what came before, in the moving average."""
BAND_MODES = ("min–max", "± std", "each")
"""How runs that differ in their seed only are drawn: as mean with a band, or each by itself."""
GRADIENT_PREFIX = "gradient_norm/"
CURVE_ROLES = tuple(f"curve{i}" for i in range(len(DARK_CURVES.curves)))
"""Roles of the runs that one chart compares; more runs than these share them, and their letters tell them apart."""
SAMPLED_PREFIXES = ("tree/", "host/", "gpu")
"""How the names of what the supervisor samples begin."""


def curve_role(metric: str, run: int, run_count: int) -> str:
    """Returns the role of a curve: that of its half where one run is charted, else that of the run.

    Args:
        run: the run's place among the runs of the chart.
    """
    half = metric.partition("/")[0]
    return half if run_count == 1 and half in ("train", "valid") else CURVE_ROLES[run % len(CURVE_ROLES)]


@dataclass(frozen=True, slots=True)
class ChartChoice:
    """A version, or one run of it; "" stands for its newest one that has measured anything."""

    version: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """What is to be drawn.

    Attributes:
        metric: the name of a panel; "" for the first.
        span: the part of the x axis in sight; None for all of it.
        cursor: an x; None without.
        marked_steps: a stretch of steps that is marked.
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
    """A point that stands out: its place, and what is said of it."""

    x: float
    value: float
    step: int
    epoch: float


@dataclass(frozen=True, slots=True)
class CursorReading:
    """A curve at the cursor, or at its end; `low` and `high` where several values share the cell."""

    step: int
    epoch: float
    seconds: float
    value: float
    low: float
    high: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class PlottedCurve:
    """One curve in columns of the plot.

    Attributes:
        name: of the run or group, and of the metric where a panel has several.
        role: which colour it has: `train` or `valid` where one run is charted, else one of `CURVE_ROLES`.
        low, high: extremes of each column; nan where it has no value.
        line: the smoothed curve, or the mean of a group; () without.
        band: the edges of a group's band; () without.
        non_finite: whether a column has a value that is not finite.
        point_before, point_after: x and value of the nearest points beyond the ends.
        attempt_starts: where resumed attempts begin.
        run_count: how many runs a group has; 1 for a run.
        non_finite_count: how many values in sight are not finite.
    """

    name: str
    metric: str
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


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One chart: a metric, or the two halves of one, of every run.

    Attributes:
        plot_width: cells of the plot.
        x_min, x_max: the ends of the x axis.
        chance: the value that guessing reaches.
        marked_x: the edges of the stretch that is marked.
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
    """The lines, and what the keys need to go on from there.

    Attributes:
        panels: the names of all of them.
        metric: the one that is shown, or stands out.
        window: the ends of the x axis in sight; `full_range` are those of all there is.
        smallest_positive_x: the least x above 0, where a logarithmic axis begins.
        plot_span: the first cell and the number of cells of a chart's plot.
        chart_width: cells that each of many charts takes; 0 for a single one.
        is_reading: a long record is still being read.
        problem: why there is nothing to see; "" otherwise.
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
