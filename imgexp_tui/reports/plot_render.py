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

from imgexp_tui.reports.plot_data import Figure, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK = "#7a7a7a"
"""Text and axes: 4.3 to 1 against white, and against the black of dark pages."""
_TRAIN, _VALID = "#c8741f", "#3b82d6"
_COLOURS = ("#3b82d6", "#c8741f", "#2f9e6e", "#c2559d", "#8a6fd1", "#a38a1d", "#d1495b", "#2a93a8")
_SIZE = (10.0, 3.5)
_PIXELS_PER_INCH = 160
_LARGEST = 1e150
_ROW = 120
"""Characters of a row of the legend."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure in both formats."""

    png: bytes
    svg: bytes


def draw(figure: Figure) -> Drawing:
    """Draw a figure."""
    # What matplotlib has to say of fonts, folders and overflows is nothing that the user of an export could mend.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"  # one that it does not know, left behind in the environment, keeps it from loading
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_style(figure))
        canvas = _drawn(figure)
        png = _saved(canvas, format="png", metadata={"Software": None}, dpi=_PIXELS_PER_INCH)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        return Drawing(_small(png), _rounded(_saved(canvas, format="svg", metadata=nothing)))


def _style(figure: Figure) -> dict[str, Any]:
    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(coloured, INK),
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


def _saved(canvas: Canvas, **options: Any) -> bytes:
    out = io.BytesIO()
    canvas.savefig(out, facecolor="none", edgecolor="none", **options)
    return out.getvalue()


def _small(png: bytes) -> bytes:
    """The picture with 256 colours, which nobody can tell from all of them here, at a third of the size."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.quantize(256, method=Image.Quantize.FASTOCTREE).save(out, "png", optimize=True)
    return out.getvalue()


def _rounded(svg: bytes) -> bytes:
    """Coordinates to a hundredth of a point, so that the last bits of a machine's arithmetic do not show.

    Numbers below 1 scale what is drawn, and stay.
    """
    return re.sub(rb"\b[1-9]\d*\.\d{3,}\b", lambda m: b"%.2f" % float(m[0]), svg)


def _drawn(figure: Figure) -> Canvas:
    from matplotlib.figure import Figure as Canvas  # not pyplot, which keeps figures and picks a screen

    canvas = Canvas(figsize=_SIZE)
    canvas.subplots_adjust(left=0.06, right=0.925, top=0.89, bottom=0.24, wspace=0.36)
    places = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
    for axes, panel in zip(places, figure.panels, strict=True):
        _panel(axes, figure, panel)
    entries: dict[str, Any] = {}
    for axes in places:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    # Of a long name both ends are shown: the end is where names that are alike differ.
    labels = [label if len(label) <= 24 else f"{label[:11]}…{label[-12:]}" for label in entries]
    one_row = sum(map(len, labels)) + 5 * len(labels) < _ROW
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


def _panel(axes: Axes, figure: Figure, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set_title(panel.metric + (" (log scale)" if panel.log else ""), loc="left", fontweight="bold")
    axes.set_title(panel.said, loc="right")
    axes.set_xlabel(figure.axis)
    if panel.log:
        axes.set_yscale("log")
    axes.grid(visible=True, color=INK, alpha=0.22, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for line in panel.lines:
        xs, ys = [x for x, _ in line.points], [_within(y) for _, y in line.points]
        axes.plot(xs, ys, label=line.label, **_manner(line.role, dotted=line.dotted))
    if panel.chance is not None:
        axes.axhline(_within(panel.chance), color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1.5)
        axes.text(
            1.015,
            _within(panel.chance),
            f"chance\n{panel.chance:.4g}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            linespacing=1.15,
        )
    for x in figure.attempts:
        axes.axvline(x, color=INK, linewidth=1.2, linestyle=(0, (1, 2)), zorder=1.6, label="resumed")
    if panel.best is not None:
        axes.plot(
            panel.best[0],
            _within(panel.best[1]),
            marker="o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.6,
            label="best epoch",
            linestyle="none",
        )


def _within(value: float) -> float:
    """The value, as far as matplotlib's arithmetic reaches; nan stays."""
    return max(min(value, _LARGEST), -_LARGEST)


def _manner(role: str, *, dotted: bool) -> dict[str, Any]:
    """How a line of that role looks."""
    if role == "steps":
        return {"color": _TRAIN, "alpha": 0.5, "linewidth": 0.9}
    marks = {"marker": "o", "markersize": 3.5} if dotted else {}
    colour = {"train": _TRAIN, "valid": _VALID}.get(role) or _COLOURS[int(role) % len(_COLOURS)]
    return {"color": colour, "linewidth": 1.8, **marks}
