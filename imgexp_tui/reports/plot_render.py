"""Draws figures as PNG and SVG: transparent, in middle tones that can be read on light and on dark pages.

The same figure gives the same bytes: no dates or versions go in, and neither the user's matplotlibrc nor the
machine's fonts have a say. matplotlib takes a second to import, so it is imported when the first figure is drawn.
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
_LEGEND_ROW_CHARACTERS = 120
"""Characters of a row of the legend."""


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """A figure in both formats."""

    png: bytes
    svg: bytes


def draw(figure: Figure) -> RenderedFigure:
    """Draw a figure."""
    # What matplotlib has to say of fonts, folders and overflows is nothing that the user of an export could mend.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"  # one that it does not know, left behind in the environment, keeps it from loading
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
    """The picture with 256 colours, which nobody can tell from all of them here, at a third of the size."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.quantize(256, method=Image.Quantize.FASTOCTREE).save(out, "png", optimize=True)
    return out.getvalue()


def _round_coordinates(svg: bytes) -> bytes:
    """Coordinates to a hundredth of a point, so that the last bits of a machine's arithmetic do not show.

    Numbers below 1 scale what is drawn, and stay.
    """
    return re.sub(rb"\b[1-9]\d*\.\d{3,}\b", lambda m: b"%.2f" % float(m[0]), svg)


def _build_canvas(figure: Figure) -> Canvas:
    from matplotlib.figure import Figure as Canvas  # not pyplot, which keeps figures and picks a screen

    canvas = Canvas(figsize=_FIGURE_INCHES)
    canvas.subplots_adjust(left=0.06, right=0.925, top=0.89, bottom=0.24, wspace=0.36)
    places = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
    for axes, panel in zip(places, figure.panels, strict=True):
        _draw_panel(axes, figure, panel)
    entries: dict[str, Any] = {}
    for axes in places:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    # Of a long name both ends are shown: the end is where names that are alike differ.
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
    """The value, as far as matplotlib's arithmetic reaches; nan stays."""
    return max(min(value, _MAX_VALUE), -_MAX_VALUE)


def _line_style(role: str, *, has_dots: bool) -> dict[str, Any]:
    """How a line of that role looks."""
    if role == "steps":
        return {"color": PLOT_CURVES.train, "alpha": 0.5, "linewidth": 0.9}
    marks = {"marker": "o", "markersize": 3.5} if has_dots else {}
    if role in ("train", "valid"):
        colour = PLOT_CURVES.train if role == "train" else PLOT_CURVES.valid
    else:
        colour = PLOT_CURVES.curves[int(role) % len(PLOT_CURVES.curves)]
    return {"color": colour, "linewidth": 1.8, **marks}
