"""What the charts are asked for and what they then show, as immutable plain data."""

from __future__ import annotations

from dataclasses import dataclass

from imgexp_tui.views.styled import Line

AXES = ("step", "epoch", "time", "samples")
STRENGTHS = (0.0, 0.6, 0.9, 0.99, 0.999)
"""Weights of what came before, in the moving average."""
BANDS = ("min–max", "± std", "each")
"""How runs that differ in their seed only are drawn: as mean with a band, or each by itself."""
GRADIENTS = "gradient_norm/"
SAMPLED = ("tree/", "host/", "gpu")
"""How the names of what the supervisor samples begin."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A version, or one run of it; "" stands for its newest one that has measured anything."""

    version: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be drawn.

    Attributes:
        metric: the name of a panel; "" for the first.
        span: the part of the x axis in sight; None for all of it.
        cursor: an x; None without.
        steps: a stretch of steps that is marked.
    """

    width: int = 80
    height: int = 20
    metric: str = ""
    many: bool = False
    gradients: bool = False
    axis: str = AXES[0]
    span: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    smooth: float = 0.0
    band: str = BANDS[0]
    cursor: float | None = None
    steps: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that stands out: its place, and what is said of it."""

    x: float
    value: float
    step: int
    epoch: float


@dataclass(frozen=True, slots=True)
class Read:
    """A curve at the cursor, or at its end; `low` and `high` where several values share the cell."""

    step: int
    epoch: float
    seconds: float
    value: float
    low: float
    high: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve in columns of the plot.

    Attributes:
        name: of the run or group, and of the metric where a panel has several.
        place: which colour and letter it has.
        low, high: extremes of each column; nan where it has no value.
        line: the smoothed curve, or the mean of a group; () without.
        band: the edges of a group's band; () without.
        broken: whether a column has a value that is not finite.
        before, after: x and value of the nearest points beyond the ends.
        attempts: where resumed attempts begin.
        size: how many runs a group has; 1 for a run.
        odd: how many values in sight are not finite.
    """

    name: str
    metric: str
    place: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    broken: tuple[bool, ...]
    line: tuple[float, ...] = ()
    band: tuple[tuple[float, ...], tuple[float, ...]] | tuple[()] = ()
    before: tuple[float, float] | None = None
    after: tuple[float, float] | None = None
    best: Mark | None = None
    attempts: tuple[float, ...] = ()
    read: Read | None = None
    size: int = 1
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: a metric, or the two halves of one, of every run.

    Attributes:
        wide: cells of the plot.
        x0, x1: the ends of the x axis.
        chance: the value that guessing reaches.
        spots: the edges of the stretch that is marked.
    """

    name: str
    curves: tuple[Curve, ...]
    wide: int
    x0: float
    x1: float
    axis: str
    log_x: bool
    log_y: bool
    smooth: float
    band: str
    chance: float | None = None
    cursor: float | None = None
    spots: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """The lines, and what the keys need to go on from there.

    Attributes:
        panels: the names of all of them.
        metric: the one that is shown, or stands out.
        window: the ends of the x axis in sight; `reach` are those of all there is.
        first: the least x above 0, where a logarithmic axis begins.
        plot: the first cell and the number of cells of a chart's plot.
        rooms: cells that each of many charts takes; 0 for a single one.
        reading: a long record is still being read.
        trouble: why there is nothing to see; "" otherwise.
    """

    lines: tuple[Line, ...] = ()
    panels: tuple[str, ...] = ()
    metric: str = ""
    axes: tuple[str, ...] = AXES[:1]
    axis: str = AXES[0]
    window: tuple[float, float] = (0.0, 1.0)
    reach: tuple[float, float] = (0.0, 1.0)
    first: float = 1.0
    log_x: bool = False
    plot: tuple[int, int] = (0, 1)
    rooms: int = 0
    cursor: float | None = None
    groups: bool = False
    gradients: bool = False
    reading: bool = False
    trouble: str = ""
    runs: tuple[tuple[str, str], ...] = ()
