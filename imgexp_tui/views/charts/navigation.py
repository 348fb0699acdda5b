"""Moving about on the x axis of a chart: the cursor, zooming and panning, by keys and by mouse.

Everything is reckoned in shares of the plot, so that a logarithmic axis moves as evenly as a straight one.
"""

from __future__ import annotations

from imgexp_tui.views.charts.axis import Scale
from imgexp_tui.views.charts.model import Picture

Span = tuple[float, float]
_CLOSEST = 1e-9
"""The least share of the whole axis that can be zoomed to."""


def moved(picture: Picture, cursor: float | None, cells: int) -> dict[str, object]:
    """Where the cursor is after so many cells, and what is in sight then: it takes the plot along at its ends."""
    scale, wide = _scale(picture), max(1, picture.plot[1])
    if cursor is None:
        last = min(picture.reach[1], picture.window[1])
        return {"cursor": last if cells < 0 else _middle(scale, 0, wide)}
    cell = min(wide - 1, max(-1, int(scale.share(cursor) * wide + 1e-6))) + cells
    reach = _share_reach(picture, scale)
    share = max(reach[0], min(reach[1], (cell + 0.5) / wide))
    span: Span | None = None
    if share < 0 or share >= 1:
        over = share - 0.5
        span = _held(picture, scale, over, over + 1)
    return {"cursor": scale.at(share)} | ({"span": span} if span else {})


def _middle(scale: Scale, cell: int, wide: int) -> float:
    return scale.at((cell + 0.5) / wide)


def x_at(picture: Picture, cell: int) -> float | None:
    """The x of a cell of the screen; None beside the plot."""
    first, wide = picture.plot
    at = cell % picture.rooms if picture.rooms else cell
    return _middle(_scale(picture), at - first, wide) if 0 <= at - first < wide else None


def zoomed(picture: Picture, factor: float, around: float | None) -> Span | None:
    """The part in sight after zooming, with `around`, or else the middle, where it was; None for the whole axis."""
    scale = _scale(picture)
    at = 0.5 if around is None else scale.share(around)
    at = at if 0 <= at <= 1 else 0.5
    low, high = at - at * factor, at + (1 - at) * factor
    closest = _CLOSEST * max(1.0, abs(picture.reach[1]))
    if factor < 1 and scale.at(high) - scale.at(low) < max(closest, _least(picture)):
        return picture.window
    reach = _share_reach(picture, scale)
    if low <= reach[0] + 1e-9 and high >= reach[1] - 1e-9:
        return None
    return _held(picture, scale, low, high)


def panned(picture: Picture, share: float) -> Span | None:
    """The part in sight after panning by a share of it."""
    return _held(picture, _scale(picture), share, 1 + share)


def dragged(picture: Picture, window: Span, cells: int) -> Span | None:
    """The part in sight after dragging what was in `window` by so many cells."""
    scale = Scale(*window, picture.log_x)
    share = -cells / max(1, picture.plot[1])
    return _held(picture, scale, share, 1 + share)


def _held(picture: Picture, scale: Scale, low: float, high: float) -> Span | None:
    """A part given in shares of `scale`, pushed back to where there are values; None for the whole axis."""
    first, last = _share_reach(picture, scale)
    if low < first:
        low, high = first, high + first - low
    if high > last:
        low, high = max(first, low - (high - last)), last
    if low <= first + 1e-9 and high >= last - 1e-9:
        return None
    return scale.at(low), scale.at(high)


def _share_reach(picture: Picture, scale: Scale) -> Span:
    """The ends of all there is, in shares of `scale`."""
    low, high = picture.reach
    if picture.log_x:
        low = max(low, picture.first)
    return scale.share(low), max(scale.share(high), scale.share(low) + _CLOSEST)


def _least(picture: Picture) -> float:
    """The least that makes sense on an axis: a few steps or samples, a hundredth of a second."""
    return 2.0 if picture.axis in ("step", "samples") else 1e-4


def _scale(picture: Picture) -> Scale:
    return Scale(*picture.window, picture.log_x)
