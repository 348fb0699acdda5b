"""What `experiments.toml` may say of metrics: `[lab.metrics]` and `judge`, with the goal that a name has by itself.

- `[lab.metrics."valid/dice"]` takes `goal` and `unit`. A name without a slash, as in `[lab.metrics.dice]`, stands for
  this metric in training and in validation.
- `judge`, in `[lab]` or a version, names the metric that decides which epoch and which run is the best.

The notebook checks both. The table that all other modules use is `records/metrics/metric.py`; the words that give an
unknown metric its goal stand here because the notebook, a lower layer, checks the goal of a judge with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from imgexp_tui.notebook.schema.settings import closest_name


class Goal(StrEnum):
    """Which values of a metric are better."""

    HIGHER = "higher"
    LOWER = "lower"

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`; False where either is nan."""
        return value > other if self is Goal.HIGHER else value < other

    def sort_key(self, value: float) -> float:
        """A number that is the smaller the better `value` is."""
        return -value if self is Goal.HIGHER else value


class Unit(StrEnum):
    """How the values of a metric are written.

    - `NUMBER`: as they are.
    - `PERCENT`: a share of 1, in percent.
    - `SECONDS`: as a length of time.
    - `BYTES`: in MB.
    - `SI`: with k, M or G.
    """

    NUMBER = "number"
    PERCENT = "percent"
    SECONDS = "seconds"
    BYTES = "bytes"
    SI = "si"


JUDGE_KEYS = ("judge", "metrics")
"""The keys of `[lab]`; a version takes the first of them."""
DEFAULT_JUDGES = ("valid/loss", "train/loss")
"""The metrics that judge a run where nothing else is said, in order of preference."""
METRIC_KEYS = ("goal", "unit")
"""The keys of a table of `[lab.metrics]`."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "goal": tuple(one.value for one in Goal),
    "unit": tuple(one.value for one in Unit),
}
_HIGHER_PARTS = frozenset(
    "accuracy acc auc auroc f1 iou map r2 psnr ssim dice precision recall score kappa".split()  # noqa: SIM905
)
_LOWER_PARTS = frozenset("loss error err mse mae rmse nll perplexity ppl fid wer".split())  # noqa: SIM905
_WORD = r"[^\W_]+"  # compiled at first use: most names are in the table of metrics
_LETTERS = r"[^\W\d_]+"

MetricOverrides = Mapping[str, Mapping[str, str]]
"""Metric → what `[lab.metrics]` says of it: `goal`, `unit`."""


def goal_from_name(metric: str) -> Goal | None:
    """The goal that the well-known parts of a metric's name give it; None where it has no such part.

    A part is a whole word between characters that are no letters: `valid/mAP` and `map_50` are a mean average
    precision, `remapped` is not. `f1` and `r2` count with their digit. Of several parts the last one decides, as in
    English: an `f1_loss` is a loss.
    """
    for word in reversed(re.findall(_WORD, metric.lower())):
        for part in (word, *reversed(re.findall(_LETTERS, word))):
            if part in _HIGHER_PARTS:
                return Goal.HIGHER
            if part in _LOWER_PARTS:
                return Goal.LOWER
    return None


def find_override(overrides: MetricOverrides, metric: str) -> Mapping[str, str]:
    """What `[lab.metrics]` says of a metric, by its full name or by its name without the half; {} for nothing."""
    return {**overrides.get(metric.partition("/")[2], {}), **overrides.get(metric, {})}


def known_goal(metric: str, overrides: MetricOverrides) -> Goal | None:
    """The goal that the notebook, or else the metric's name, gives it; None where neither does."""
    stated = find_override(overrides, metric).get("goal")
    return Goal(stated) if stated else goal_from_name(metric)


def judge_error(judge: object, overrides: MetricOverrides) -> str | None:
    """What is wrong with the value of a `judge`, and the fix; None where it is right."""
    if not isinstance(judge, str) or not judge.strip():
        return 'must be the name of a metric in quotes, such as "valid/accuracy"'
    if known_goal(judge, overrides) is None:
        return (
            f"whether a higher or a lower {judge} is better is not known; "
            f'write goal = "higher" (or "lower") under [lab.metrics.{quoted_key(judge)}]'
        )
    return None


def quoted_key(metric: str) -> str:
    """A metric's name as TOML spells it in the header of a table."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", metric):
        return metric
    escaped = metric.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def metric_value_error(key: str, value: object) -> str | None:
    """What is wrong with the value of one of `METRIC_KEYS`, and the fix; None where it is right."""
    choices = _CHOICES[key]
    if value in choices:
        return None
    near = closest_name(str(value), choices)
    return f"{value!r} is unknown; take one of {', '.join(choices)}" + (f" (did you mean {near!r}?)" if near else "")


def override_problems(tables: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong in `[lab.metrics]`: the path of the key below it, and a clause with the fix."""
    for metric, own in tables.items():
        if not isinstance(own, dict):
            yield (metric,), f'must be a table; write [lab.metrics.{quoted_key(metric)}] and goal = "higher" below it'
            continue
        for key, value in own.items():
            if key not in METRIC_KEYS:
                near = closest_name(key, METRIC_KEYS)
                yield (metric, key), f"unknown key; {f'did you mean {near}?' if near else 'take goal or unit'}"
            elif wrong := metric_value_error(key, value):
                yield (metric, key), wrong
    # The same metric in training and in validation has one goal.
    overrides = clean_overrides(tables)
    for metric, table in overrides.items():
        general = metric.partition("/")[2]
        goal, other = table.get("goal"), overrides.get(general, {}).get("goal")
        if goal and other and goal != other:
            fix = f"contradicts [lab.metrics.{quoted_key(general)}], which says {other}; keep one of them"
            yield (metric, "goal"), f"{goal} {fix}"


def right_judge(table: Mapping[str, Any], overrides: MetricOverrides) -> str:
    """The metric that a table of the notebook names as its judge; "" where it names none that is right."""
    judge = table.get("judge")
    return judge if isinstance(judge, str) and judge_error(judge, overrides) is None else ""


def clean_overrides(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What is right in `[lab.metrics]`, with everything else left out."""
    return {
        metric: {k: str(v) for k, v in own.items() if k in METRIC_KEYS and metric_value_error(k, v) is None}
        for metric, own in table.items()
        if isinstance(own, dict)
    }
