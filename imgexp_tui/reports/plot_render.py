"""Draws figures as PNG and SVG with matplotlib: transparent, in colours for light and dark pages (`palette.py`).

The same figure gives the same bytes: the files contain no dates or versions, and neither the user's matplotlibrc nor
the machine's fonts have an influence. matplotlib takes a second to import, so it is imported with the first figure.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgexp_tui.palette import PLOT_CURVES, PLOT_FOREGROUND
from imgexp_tui.reports.plot_data import Figure, PlotPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_FIGURE_INCHES = (10.0, 3.5)
_PIXELS_PER_INCH = 160
_MAX_VALUE = 1e150
"""Larger values are drawn as this; beyond it matplotlib's arithmetic overflows."""
_LEGEND_ROW_CHARACTERS = 120
"""The most characters in a row of the legend."""


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """A figure in both formats."""

    png: bytes
    svg: bytes


def draw(figure: Figure) -> RenderedFigure:
    """Draws a figure."""
    # matplotlib's warnings about fonts, folders and overflows are nothing that the user of an export could fix.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"  # an unknown backend in the environment would keep matplotlib from loading
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_rc_params(figure))
        canvas = _build_canvas(figure)
        png = _save_canvas(canvas, format="png", metadata={"Software": None}, dpi=_PIXELS_PER_INCH)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        return RenderedFigure(
            _reduce_colours(png), _round_coordinates(_save_canvas(canvas, format="svg", metadata=nothing))
        )


def _rc_params(figure: Figure) -> dict[str, Any]:
    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(coloured, PLOT_FOREGROUND),
        "font.family": "DejaVu Sans",  # it comes with matplotlib
        "font.size": 10.0,
        "text.parse_math": False,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10.0,
        "svg.hashsalt": figure.name,
        "svg.fonttype": "path",
        "path.simplify": False,
    }


def _save_canvas(canvas: Canvas, **options: Any) -> bytes:
    out = io.BytesIO()
    canvas.savefig(out, facecolor="none", edgecolor="none", **options)
    return out.getvalue()


def _reduce_colours(png: bytes) -> bytes:
    """Returns the picture with 256 colours, at a third of the size and with no visible difference here."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.quantize(256, method=Image.Quantize.FASTOCTREE).save(out, "png", optimize=True)
    return out.getvalue()


def _round_coordinates(svg: bytes) -> bytes:
    """Returns the SVG with coordinates in hundredths of a point, so that machines' rounding makes no difference.

    Numbers below 1 are scale factors and stay as they are.
    """
    return re.sub(rb"\b[1-9]\d*\.\d{3,}\b", lambda m: b"%.2f" % float(m[0]), svg)


def _build_canvas(figure: Figure) -> Canvas:
    from matplotlib.figure import Figure as Canvas  # not pyplot, which keeps figures and picks a display

    canvas = Canvas(figsize=_FIGURE_INCHES)
    canvas.subplots_adjust(left=0.06, right=0.925, top=0.89, bottom=0.24, wspace=0.36)
    subplots = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
    for axes, panel in zip(subplots, figure.panels, strict=True):
        _draw_panel(axes, figure, panel)
    entries: dict[str, Any] = {}
    for axes in subplots:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    # Both ends of a long name are shown: similar names differ at the end.
    labels = [label if len(label) <= 24 else f"{label[:11]}…{label[-12:]}" for label in entries]
    one_row = sum(map(len, labels)) + 5 * len(labels) < _LEGEND_ROW_CHARACTERS
    canvas.legend(
        list(entries.values()),
        labels,
        loc="lower center",
        ncols=len(labels) if one_row else 4,
        frameon=False,
        handlelength=1.6,
        borderaxespad=0.2,
        columnspacing=1.6,
        labelspacing=0.3,
    )
    return canvas


def _draw_panel(axes: Axes, figure: Figure, panel: PlotPanel) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set_title(panel.metric + (" (log scale)" if panel.is_log_scale else ""), loc="left", fontweight="bold")
    axes.set_title(panel.best_text, loc="right")
    axes.set_xlabel(figure.axis)
    if panel.is_log_scale:
        axes.set_yscale("log")
    axes.grid(visible=True, color=PLOT_FOREGROUND, alpha=0.22, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for line in panel.lines:
        xs, ys = [x for x, _ in line.points], [_clamped(y) for _, y in line.points]
        axes.plot(xs, ys, label=line.label, **_line_style(line.role, has_dots=line.has_dots))
    if panel.chance is not None:
        axes.axhline(_clamped(panel.chance), color=PLOT_FOREGROUND, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1.5)
        axes.text(
            1.015,
            _clamped(panel.chance),
            f"chance\n{panel.chance:.4g}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            linespacing=1.15,
        )
    for x in figure.attempt_starts:
        axes.axvline(x, color=PLOT_FOREGROUND, linewidth=1.2, linestyle=(0, (1, 2)), zorder=1.6, label="resumed")
    if panel.best_point is not None:
        axes.plot(
            panel.best_point[0],
            _clamped(panel.best_point[1]),
            marker="o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=PLOT_FOREGROUND,
            markeredgewidth=1.6,
            label="best epoch",
            linestyle="none",
        )


def _clamped(value: float) -> float:
    """Returns the value within ±`_MAX_VALUE`; nan stays nan."""
    return max(min(value, _MAX_VALUE), -_MAX_VALUE)


def _line_style(role: str, *, has_dots: bool) -> dict[str, Any]:
    """Returns matplotlib's options for a line of that role."""
    if role == "steps":
        return {"color": PLOT_CURVES.train, "alpha": 0.5, "linewidth": 0.9}
    marks = {"marker": "o", "markersize": 3.5} if has_dots else {}
    if role in ("train", "valid"):
        colour = PLOT_CURVES.train if role == "train" else PLOT_CURVES.valid
    else:
        colour = PLOT_CURVES.curves[int(role) % len(PLOT_CURVES.curves)]
    return {"color": colour, "linewidth": 1.8, **marks}
