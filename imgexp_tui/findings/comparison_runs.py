"""Chooses the runs that a run is compared with: its base's best, and those that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imgexp_tui.findings.run_data import ComparisonRuns
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.run_state import best_run


def comparison_runs_of(
    follower: RunFollower, runs_of_version: Callable[[str], Sequence[RunFollower]]
) -> ComparisonRuns:
    """Returns the runs to compare a run with.

    Args:
        runs_of_version: returns the runs of a version, polled.
    """
    request = follower.request
    if request is None:
        return ComparisonRuns()
    base: list[RunFollower] = []
    if request.base and request.base != follower.version:
        base = list(runs_of_version(request.base))
        if best := best_run(base, follower.judges):
            base = [best[0], *(one for one in base if one is not best[0])]
    group = _seed_group(follower, runs_of_version(follower.version)) if request.group else ()
    return ComparisonRuns(base, group, _seed_group(base[0], base) if base else ())


def runs_lookup(followers_by_version: Mapping[str, Sequence[RunFollower]]) -> Callable[[str], Sequence[RunFollower]]:
    """Returns a function that looks up the runs of a version; () for an unknown one."""
    return lambda version: followers_by_version.get(version, ())


def _seed_group(follower: RunFollower, runs: Sequence[RunFollower]) -> Sequence[RunFollower]:
    """Returns the runs that were started together with this one for their seeds, with itself; () without a group."""
    name = follower.request.group if follower.request else ""
    return [one for one in runs if one.request and one.request.group == name] if name else ()
