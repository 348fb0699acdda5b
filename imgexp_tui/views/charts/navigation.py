"""Computes where keys and mouse move a chart's cursor and its visible part of the x axis: zoom, pan, drag.

All distances are fractions of the plot's width, so a logarithmic axis moves as evenly as a linear one.
"""

from __future__ import annotations

from imgexp_tui.views.charts.axis import Scale
from imgexp_tui.views.charts.model import ChartPicture

XSpan = tuple[float, float]
_MIN_ZOOM_FRACTION = 1e-9
"""Smallest fraction of the whole axis that can be visible."""


def move_cursor(picture: ChartPicture, cursor: float | None, cells: int) -> dict[str, object]:
    """The changes to the request that move the cursor by `cells`; beyond the plot's ends it scrolls the plot."""
    scale, width = _scale(picture), max(1, picture.plot_span[1])
    if cursor is None:
        last = min(picture.full_range[1], picture.window[1])
        return {"cursor": last if cells < 0 else _cell_center(scale, 0, width)}
    cell = min(width - 1, max(-1, int(scale.fraction(cursor) * width + 1e-6))) + cells
    reach = _full_range_fractions(picture, scale)
    share = max(reach[0], min(reach[1], (cell + 0.5) / width))
    span: XSpan | None = None
    if share < 0 or share >= 1:
        over = share - 0.5
        span = _clamp_span(picture, scale, over, over + 1)
    return {"cursor": scale.value_at(share)} | ({"span": span} if span else {})


def _cell_center(scale: Scale, cell: int, width: int) -> float:
    return scale.value_at((cell + 0.5) / width)


def x_at(picture: ChartPicture, cell: int) -> float | None:
    """The x of a cell of the screen; None outside the plot."""
    first, width = picture.plot_span
    at = cell % picture.chart_width if picture.chart_width else cell
    return _cell_center(_scale(picture), at - first, width) if 0 <= at - first < width else None


def zoom(picture: ChartPicture, factor: float, around: float | None) -> XSpan | None:
    """The visible part after zooming, with `around`, or else the middle, in place; None for the whole axis."""
    scale = _scale(picture)
    at = 0.5 if around is None else scale.fraction(around)
    at = at if 0 <= at <= 1 else 0.5
    low, high = at - at * factor, at + (1 - at) * factor
    closest = _MIN_ZOOM_FRACTION * max(1.0, abs(picture.full_range[1]))
    if factor < 1 and scale.value_at(high) - scale.value_at(low) < max(closest, _min_span(picture)):
        return picture.window
    reach = _full_range_fractions(picture, scale)
    if low <= reach[0] + 1e-9 and high >= reach[1] - 1e-9:
        return None
    return _clamp_span(picture, scale, low, high)


def pan(picture: ChartPicture, fraction: float) -> XSpan | None:
    """The visible part after panning by a fraction of it; None for the whole axis."""
    return _clamp_span(picture, _scale(picture), fraction, 1 + fraction)


def drag(picture: ChartPicture, window: XSpan, cells: int) -> XSpan | None:
    """The visible part after dragging the content of `window` by `cells`; None for the whole axis."""
    scale = Scale(*window, picture.log_x)
    share = -cells / max(1, picture.plot_span[1])
    return _clamp_span(picture, scale, share, 1 + share)


def _clamp_span(picture: ChartPicture, scale: Scale, low: float, high: float) -> XSpan | None:
    """A part, given in fractions of `scale`, moved back into the range of values; None for the whole axis."""
    first, last = _full_range_fractions(picture, scale)
    if low < first:
        low, high = first, high + first - low
    if high > last:
        low, high = max(first, low - (high - last)), last
    if low <= first + 1e-9 and high >= last - 1e-9:
        return None
    return scale.value_at(low), scale.value_at(high)


def _full_range_fractions(picture: ChartPicture, scale: Scale) -> XSpan:
    """The ends of the whole axis, in fractions of `scale`."""
    low, high = picture.full_range
    if picture.log_x:
        low = max(low, picture.smallest_positive_x)
    return scale.fraction(low), max(scale.fraction(high), scale.fraction(low) + _MIN_ZOOM_FRACTION)


def _min_span(picture: ChartPicture) -> float:
    """The shortest visible part that makes sense on an axis: two steps or samples, 1e-4 epochs or seconds."""
    return 2.0 if picture.axis in ("step", "samples") else 1e-4


def _scale(picture: ChartPicture) -> Scale:
    return Scale(*picture.window, picture.log_x)
