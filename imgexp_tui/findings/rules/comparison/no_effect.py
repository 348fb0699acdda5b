"""A changed setting that had no effect: nothing read it, or everything came out the same to the last digit.

The trainer tells after its first epoch which settings nothing asked for. Of those, the ones matter that this version
changed against its base, or that were given for this run. Stronger still: where the run beside it differs in one of
these settings, has the same seed, and yet the same losses, digit by digit, the change did nothing. Settings that
change the speed alone are left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.notebook.schema.settings import SETTINGS
from imgexp_tui.records.documents import Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.text import clean_line, join_names

NAME = "no_effect"
ORDER = 200
_SPEED_SETTINGS = frozenset(
    ("num_workers", "cache_images", "threads", "device", "log_every", "epochs", "patience", "compile", "channels_last")
)
_MIN_STEPS = 10
"""Steps whose losses must be equal; two runs that differ in anything random differ in the first."""
_MAX_COMPARED_STEPS = 200


def find(run: RunData) -> Finding | None:
    request = run.follower.request
    if request is None:
        return None
    base = next((v for v in run.comparison_runs.base_runs if v.request), None)
    changed = _changed_settings(request, base)
    if not changed:
        return None
    return (
        _find_unread(run, changed)
        or (_find_unpassed(run, request, base, changed) if base else None)
        or (_find_identical_losses(run, base, changed) if base else None)
    )


def _changed_settings(request: Request, base: RunFollower | None) -> dict[str, tuple[object, object]]:
    """Maps each changed setting to its values before and now: against the base's run, or against the defaults."""
    if base and base.request:
        before = base.request.config
        names = {*before, *request.config}
    else:
        before = {name: SETTINGS[name].default for name in SETTINGS}
        names = set(request.overrides)
    pairs = {n: (before.get(n, _default(n)), request.config.get(n, _default(n))) for n in sorted(names) if n != "seed"}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _default(name: str) -> object:
    return SETTINGS[name].default if name in SETTINGS else None


def _find_unread(run: RunData, changed: dict[str, tuple[object, object]]) -> Finding | None:
    unread = next((e.get("unread") for e in reversed(run.events) if e.get("kind") == "settings"), None)
    names = [n for n in changed if isinstance(unread, list) and n in unread]
    if not names:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"{_describe_changes(changed, names)} had no effect: nothing read {'it' if len(names) == 1 else 'them'}.",
        Evidence(),
        "Another setting decides whether it counts, or it is misspelt for what reads it.",
    )


def _find_unpassed(
    run: RunData, request: Request, base: RunFollower, changed: dict[str, tuple[object, object]]
) -> Finding | None:
    """Of a command that is called with the same words."""
    other = base.request
    if run.uses_shipped_trainer or other is None or other.trainer != "command":
        return None
    own = [word.replace(str(run.follower.run_dir.path), "") for word in request.argv]
    if own != [word.replace(str(base.run_dir.path), "") for word in other.argv]:
        return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"{_describe_changes(changed, list(changed))} does not reach the command: "
        f"it is called with the same words as {base.version}'s.",
        Evidence(),
        "Put {" + next(iter(changed)) + "} into the command where the script takes it.",
    )


def _find_identical_losses(
    run: RunData, base: RunFollower, changed: dict[str, tuple[object, object]]
) -> Finding | None:
    names = [n for n in changed if n not in _SPEED_SETTINGS]
    if not names or not base.request or not run.follower.request or base.request.seed != run.follower.request.seed:
        return None
    for metric in ("train/loss", "valid/loss"):
        own, other = run.series(metric), base.series.get(metric)
        own_losses = list(_finite_pairs(own.steps, own.values))
        if other is None or (metric == "train/loss" and len(own_losses) < _MIN_STEPS) or not own_losses:
            return None
        base_losses = dict(_finite_pairs(other.steps, other.values))
        if any(base_losses.get(step) != value for step, value in own_losses if step <= max(base_losses, default=0)):
            return None
    return Finding(
        NAME,
        Severity.WARNING,
        f"{_describe_changes(changed, names)} had no effect: "
        f"with the same seed every loss is that of {base.version}, to the last digit.",
        Evidence(("train/loss", "valid/loss"), run.series("train/loss").steps[0], run.series("train/loss").steps[-1]),
        "Another setting decides whether it counts.",
    )


def _finite_pairs(steps: object, values: object) -> Iterator[tuple[int, float]]:
    both = zip(steps, values, strict=True)  # type: ignore[call-overload]
    return ((s, v) for s, v in islice(both, _MAX_COMPARED_STEPS) if math.isfinite(v))


def _describe_changes(changed: dict[str, tuple[object, object]], names: list[str]) -> str:
    return "The change of " + join_names(
        [f"{n} {_format_value(changed[n][0])} → {_format_value(changed[n][1])}" for n in names]
    )


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else "unset" if value is None else clean_line(str(value)) or '""'
