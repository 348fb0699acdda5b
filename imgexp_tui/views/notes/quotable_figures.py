"""What a run measured as sentences that a person would put into a note, to be chosen from while writing.

A figure is a pair: its kind, such as "best" or "measured", and the text that is put in.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence

from imgexp_tui.records.metrics.follower import RunFollower, Series
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.text import clean_line, format_duration, format_number, join_names

Figure = tuple[str, str]

_HIGHER_IS_BETTER = {
    "accuracy",
    "acc",
    "auc",
    "auroc",
    "f1",
    "precision",
    "recall",
    "iou",
    "dice",
    "map",
    "r2",
    "score",
    "kappa",
}
_LOWER_IS_BETTER = {"loss", "error", "mae", "mse", "rmse", "nll", "perplexity"}
_LEARNING_RATE = "learning_rate"
_METRIC_ORDER = (
    "valid/loss",
    "valid/accuracy",
    "train/epoch_loss",
    "train/epoch_accuracy",
    "train/loss",
    "train/accuracy",
)
_EXCLUDED_METRICS = re.compile(rf"(?:time|{_LEARNING_RATE})/|images_per_second$")


def quotable_figures(follower: RunFollower | None, base: str = "", changes: Sequence[str] = ()) -> list[Figure]:
    """Everything that can be said of a run as it stands, what is noted most often first.

    Args:
        follower: None for a version without runs.
        base, changes: what the version changes against its base, such as "batch_size 64 → 512".
    """
    found = [*(_metric_figures(follower) if follower else ()), *_change_figures(base, changes)]
    return list(dict.fromkeys((kind, clean_line(text)) for kind, text in found))


def filter_figures(figures: Iterable[Figure], query: str) -> list[Figure]:
    """The figures in which every word of `query` occurs, in either case."""
    words = query.lower().split()
    return [one for one in figures if all(word in f"{one[0]} {one[1]}".lower() for word in words)]


def _metric_figures(follower: RunFollower) -> Iterator[Figure]:
    names = [
        *(n for n in _METRIC_ORDER if n in follower.series),
        *sorted(n for n in follower.series if n not in _METRIC_ORDER),
    ]
    names = [n for n in names if follower.series[n].values and not _EXCLUDED_METRICS.match(n)]
    yield from (("best", text) for name in names if (text := _best_figure(follower, name)))
    yield from _accuracies_at_best(follower)
    yield from (("measured", f"{label}: {text}") for label, text in measured_stats(follower))
    yield from (("now" if follower.status.state.live else "last", _last_figure(follower, name)) for name in names)
    yield from _run_figures(follower)


def _best_figure(follower: RunFollower, name: str) -> str:
    """The best value of a metric and where it was; "" where nobody knows which way is better."""
    words = set(re.split(r"[/_.\s]", name.lower()))
    choose = max if words & _HIGHER_IS_BETTER else min if words & _LOWER_IS_BETTER else None
    series = follower.series[name]
    finite = [i for i, v in enumerate(series.values) if math.isfinite(v)]
    if choose is None or not finite:
        return ""
    at = choose(finite, key=series.values.__getitem__)
    return f"best {_format_metric(name, series.values[at])}{_format_position(follower, name, series, at)}"


def _last_figure(follower: RunFollower, name: str) -> str:
    series = follower.series[name]
    return f"{_format_metric(name, series.values[-1])}{_format_position(follower, name, series, len(series.steps) - 1)}"


def _format_metric(name: str, value: float) -> str:
    words = re.sub(r"[/_]", " ", name.replace("/epoch_", "/"))
    mean = " over the epoch" if "/epoch_" in name else ""
    return f"{words}{mean} {format_metric_value(name, value)}"


def format_metric_value(name: str, value: float) -> str:
    """A metric's value as people write it: accuracy in percent."""
    if name.endswith("accuracy") and math.isfinite(value):
        return f"{value * 100:.1f} %"
    return format_number(value)


def _format_position(follower: RunFollower, name: str, series: Series, at: int) -> str:
    """The epoch where the value is of an epoch's end, the step otherwise."""
    step, epoch, steps = series.steps[at], follower.epoch_at(series.steps[at]), follower.plan.get("steps_per_epoch")
    ends = name.startswith("valid/") or "/epoch_" in name
    if isinstance(steps, int) and steps > 0 and not step % steps:
        ends, epoch = True, step / steps if epoch is None else epoch
    return f" (epoch {epoch:g})" if ends and epoch is not None else f" (step {step:,})"


def _accuracies_at_best(follower: RunFollower) -> Iterator[Figure]:
    """The accuracies of the line that is the run's best."""
    if best := follower.best():
        at = f"epoch {best.epoch:g}" if best.epoch is not None else f"step {best.step:,}"
        for name, value in best.other_metrics.items():
            told_better = name.replace("/", "/epoch_") in best.other_metrics
            if name.endswith("accuracy") and math.isfinite(value) and not told_better:
                metric = best.metric.replace("/", " ")
                yield "best", f"{_format_metric(name, value)} at the best {metric} ({at})"


def _run_figures(follower: RunFollower) -> Iterator[Figure]:
    if follower.epoch is not None and math.isfinite(follower.epoch):
        count = f"{follower.epoch:g}"
        of = (
            f" of {follower.planned_epochs}"
            if follower.planned_epochs and follower.planned_epochs != follower.epoch
            else ""
        )
        steps = f" ({follower.step:,} steps)" if follower.step else ""
        yield "run", f"{count}{of} epochs{steps}"
    elif follower.step:
        yield "run", f"{follower.step:,} steps"
    if rate := _format_learning_rates(follower):
        yield "run", rate
    if (taken := _format_duration(follower)) is not None:
        yield "run", taken
    if (left := follower.eta()) is not None:
        yield "run", f"{format_duration(left)} left"
    if follower.request is not None:
        yield "run", f"seed {follower.request.seed}"
    yield "run", f"run {follower.run_id}"


def _format_learning_rates(follower: RunFollower) -> str:
    """The rates of the groups now; those that were asked for where the trainer does not tell them."""
    now = {
        n.partition("/")[2]: s.values[-1]
        for n, s in follower.series.items()
        if n.startswith(f"{_LEARNING_RATE}/") and s.values
    }
    if not now:
        asked = follower.request.config.get(_LEARNING_RATE) if follower.request else None
        return f"learning rate {_format_learning_rate(asked)}" if isinstance(asked, int | float) and asked else ""
    if len(set(now.values())) == 1:
        return f"learning rate {_format_learning_rate(next(iter(now.values())))}"
    return f"learning rate {join_names([f'{_format_learning_rate(value)} ({group})' for group, value in now.items()])}"


def _format_learning_rate(value: float) -> str:
    """`0.01`, but `1e-4`, as people write a learning rate."""
    if abs(value) >= 1e-3 or not value:
        return f"{value:.3g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def _format_duration(follower: RunFollower) -> str | None:
    """How long the current attempt has taken."""
    process, ended = follower.status.process, follower.status.exit
    if process is None or process.waiting:
        return None
    if ended is None and not follower.status.state.live:
        return None
    seconds = (ended.ended if ended else time.time()) - process.started
    attempt = f", attempt {process.attempt}" if process.attempt > 1 else ""
    return f"{'duration' if ended else 'running for'} {format_duration(seconds)}{attempt}"


def _change_figures(base: str, changes: Sequence[str]) -> Iterator[Figure]:
    if len(changes) > 1:
        yield f"vs {base}", f"{', '.join(changes)} (against {base})"
    yield from ((f"vs {base}", change) for change in changes)
