"""One sentence about a version against its base: what changed, what it did, whether that is beyond noise.

Drafted for the takeaways. Changes are those between the two runs' own settings, which may be others than the
notebook's by now. A difference is beyond noise where Welch's interval over seeds leaves out zero, as in `seed_noise`.
"""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.rules.comparison.no_effect import _changed_settings, _format_value
from imgexp_tui.findings.rules.comparison.seed_noise import welch_interval
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import Judge
from imgexp_tui.text import join_names

NAME = "against_base"
ORDER = 210
_MAX_CHANGES = 4
"""Changes that are named; beyond that their number is given."""
_SAME_SHARE = 0.01
"""Share of the loss below which two values count as equal."""


def find(run: RunData) -> Finding | None:
    base = next((v for v in run.comparison_runs.base_runs if v.request and v.best(run.follower.judges)), None)
    best, request = run.follower.best(), run.follower.request
    if base is None or best is None or request is None or not run.has_ended:
        return None
    before = base.best(run.follower.judges)
    if before is None or before.metric != best.metric:
        return None
    changed = _changed_settings(request, base)
    names = [f"{n} {_format_value(a)} → {_format_value(b)}" for n, (a, b) in changed.items()]
    if len(names) > _MAX_CHANGES:
        names = [*names[: _MAX_CHANGES - 1], f"{len(names) - _MAX_CHANGES + 1} more"]
    what = f"With {join_names(names)}" if names else "With the same settings"
    ratio = best.value / before.value - 1 if before.value else 0.0
    did = (
        "stayed the same"
        if abs(ratio) < _SAME_SHARE
        else f"got {'better' if best.goal.is_better(best.value, before.value) else 'worse'} by {abs(ratio):.0%}"
    )
    noise = _describe_noise(run, base, Judge(best.metric, best.goal))
    accuracy = _describe_accuracy(before.other_metrics, best.other_metrics)
    return Finding(
        NAME,
        Severity.INFO,
        f"{what}, {best.metric} {did} against {base.version} "
        f"({before.value:.4g} → {best.value:.4g}{accuracy}); {noise}.",
        Evidence((best.metric,), best.step, best.step),
    )


def _describe_accuracy(before: dict[str, float], now: dict[str, float]) -> str:
    pair = before.get("valid/accuracy"), now.get("valid/accuracy")
    return f", accuracy {pair[0]:.1%} → {pair[1]:.1%}" if pair[0] is not None and pair[1] is not None else ""


def _describe_noise(run: RunData, base: RunFollower, judge: Judge) -> str:
    interval = welch_interval(
        run.comparison_runs.seed_group or (run.follower,), run.comparison_runs.base_seed_group or (base,), judge
    )
    if interval is None:
        return "one seed cannot tell whether that is more than noise"
    _, low, high, counts = interval
    beyond = not low <= 0 <= high
    return f"over {counts[0]} and {counts[1]} seeds that is {'beyond' if beyond else 'within'} noise"
