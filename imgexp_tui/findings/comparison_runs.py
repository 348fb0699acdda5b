"""Which runs a run is compared with: its base's best, and those that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imgexp_tui.findings.run_data import Relatives
from imgexp_tui.records.metrics.follower import RunView, best_of


def relatives_of(view: RunView, runs: Callable[[str], Sequence[RunView]]) -> Relatives:
    """The relatives of a run.

    Args:
        runs: gives the runs of a version, polled.
    """
    request = view.request
    if request is None:
        return Relatives()
    base: list[RunView] = []
    if request.base and request.base != view.version:
        base = list(runs(request.base))
        if found := best_of(base):
            base = [found[0], *(one for one in base if one is not found[0])]
    group = _group(view, runs(view.version)) if request.group else ()
    return Relatives(base, group, _group(base[0], base) if base else ())


def among(views: Mapping[str, Sequence[RunView]]) -> Callable[[str], Sequence[RunView]]:
    """The runs of a version among those that are known."""
    return lambda version: views.get(version, ())


def _group(view: RunView, runs: Sequence[RunView]) -> Sequence[RunView]:
    """The runs that were started together with this one for their seeds; () for one by itself."""
    name = view.request.group if view.request else ""
    return [one for one in runs if one.request and one.request.group == name] if name else ()
